// SPDX-License-Identifier: Apache-2.0
import Foundation
import Streaming
import Testing

@testable import Service

@Suite("What a daemon tells")
struct DaemonControlTests {
    @Test("a stream's state survives JSON")
    func roundTrip() throws {
        var status = StreamStatus(name: "door")
        status.audio = .init()
        status.framesDropped = ["late": 3]
        let object = LiveObject(
            id: 7, class: "bell", state: .silent, score: 0.5, box: [1, 2, 3, 4], area: 12, ageSeconds: 2,
            evidenceAgeSeconds: 1)
        status.objects = [object]
        let decoded = try JSONDecoder().decode(StreamStatus.self, from: JSONEncoder().encode(status))
        #expect(decoded == status)
    }
}
