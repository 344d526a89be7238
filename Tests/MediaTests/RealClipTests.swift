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
        let output = scratch.file("out.mp4")
        #expect(try copy(input, to: output) == .copied(codec: "AAC"))
        let frames = ["-select_streams", "v:0", "-show_entries", "frame=pts_time", "-of", "csv=p=0", "-i"]
        let audio = [
            "-select_streams", "a:0", "-show_entries", "packet=pts_time,size", "-of", "csv=p=0", "-i",
        ]
        let length = ["-select_streams", "v:0", "-show_entries", "stream=duration", "-of", "csv=p=0", "-i"]
        guard let framesBefore = try ffprobe(frames + [input]) else { return }
        let framesAfter = try #require(try ffprobe(frames + [output]))
        #expect(numbers(framesBefore).count > 100)
        #expect(zip(numbers(framesBefore), numbers(framesAfter)).allSatisfy { abs($0 - $1) < 0.001 })
        #expect(numbers(framesBefore).count == numbers(framesAfter).count)
        #expect(try ffprobe(length + [output]) == ffprobe(length + [input]))
        let packetsBefore = numbers(try #require(try ffprobe(audio + [input])))
        let packetsAfter = numbers(try #require(try ffprobe(audio + [output])))
        #expect(packetsBefore.count == packetsAfter.count)
        #expect(zip(packetsBefore, packetsAfter).allSatisfy { abs($0 - $1) < 0.001 })
        let (before, after) = (try AudioFile.read(input), try AudioFile.read(output))
        #expect(abs(before.frameCount - after.frameCount) < 1024)
        #expect(zip(before.channels[0], after.channels[0]).allSatisfy { abs($0 - $1) < 1e-5 })
    }

    private func numbers(_ text: String) -> [Double] {
        text.split { $0 == "\n" || $0 == "," }.compactMap { Double($0) }
    }
}
