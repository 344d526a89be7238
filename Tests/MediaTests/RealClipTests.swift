// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Media

/// Real recordings, from the folder that `TAVIS_SHARED` names.
@Suite(.enabled(if: sharedFolder != nil, "TAVIS_SHARED does not name the folder with the clips"))
struct RealClipTests {
    @Test(
        "a real clip copied frame by frame keeps count, times, duration and audio",
        arguments: ["dog.mp4", "driving.mp4"])
    func copyReal(name: String) throws {
        let input = "\(sharedFolder ?? "")/media/\(name)"
        let scratch = try Scratch()
        for ending in ["mp4", "mkv"] {
            let output = scratch.file("out.\(ending)")
            let handling = try copy(input, to: output)
            #expect(handling == .copied(codec: "AAC"))
            guard ProcessInfo.processInfo.environment["KEEP"] != nil else { continue }
            try? FileManager.default.copyItem(atPath: output, toPath: "/tmp/keep-\(name).\(ending)")
        }
    }
}
