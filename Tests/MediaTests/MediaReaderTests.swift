// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Media

@Suite struct MediaReaderTests {
    @Test("every frame and all audio of a real clip are read")
    func realClip() throws {
        guard let shared = ProcessInfo.processInfo.environment["TAVIS_SHARED"] else { return }
        let reader = try MediaReader("\(shared)/media/dog.mp4")
        var count = 0
        while try reader.nextVideoFrame() != nil {
            count += 1
        }
        var samples = 0
        while let block = try reader.nextAudioBlock() {
            #expect(!block.isDiscontinuous)
            samples += block.frameCount
        }
        #expect(count == 289)
    }
}
