// SPDX-License-Identifier: Apache-2.0
import Foundation
import HTTPTypes
import Hummingbird
import Streaming

/// The page at `/`: one file that needs nothing from elsewhere.
enum StatusPage {
    /// Its parts that may run carry a word that nobody can know beforehand; nothing else on it runs.
    static var response: Response {
        let nonce = Data((0..<16).map { _ in UInt8.random(in: .min ... .max) }).base64EncodedString()
        let page = text.replacingOccurrences(of: "{{nonce}}", with: nonce)
        return Response(
            status: .ok,
            headers: [.contentType: "text/html; charset=utf-8", .contentSecurityPolicy: policy(nonce)],
            body: .init(byteBuffer: ByteBuffer(string: page)))
    }

    private static let text = String(decoding: PackageResources.status_html, as: UTF8.self)
        .replacingOccurrences(of: "{{palette}}", with: palette)

    private static func policy(_ nonce: String) -> String {
        [
            "default-src 'none'", "script-src 'nonce-\(nonce)'", "style-src 'nonce-\(nonce)'",
            "img-src 'self' blob: data:", "connect-src 'self'", "base-uri 'none'", "form-action 'none'",
            "frame-ancestors 'none'",
        ].joined(separator: "; ")
    }

    /// Colours of objects from the first on, as drawn into the pictures.
    private static var palette: String {
        let colors = Palette.maskColors.dropFirst().prefix(12)
        return colors.map { color in
            [color.red, color.green, color.blue].reduce("#") { $0 + String(format: "%02x", Int($1)) }
        }.joined(separator: " ")
    }
}
