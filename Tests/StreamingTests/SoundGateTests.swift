// SPDX-License-Identifier: Apache-2.0
import Streaming
import Testing

@Suite("Sound gate")
struct SoundGateTests {
    @Test("silence, background and missing sound close the gate, each with its reason")
    func reasons() {
        #expect(SoundGate(level: nil, scene: [0, 1]) == .absent)
        #expect(SoundGate(level: -60.5, scene: [0, 1]) == .silent)
        #expect(SoundGate(level: -59.5, scene: [0.6, 0.4]) == .background)
        #expect(SoundGate(level: -59.5, scene: [0.4, 0.6]) == .open)
    }

    @Test("levels are relative to full scale")
    func levels() throws {
        #expect(decibels([]) == nil)
        #expect(decibels([1, -1, 1, -1]) == 0)
        #expect(abs(try #require(decibels([0.1, -0.1])) + 20) < 1e-4)
        #expect(decibels([0, 0]) == -120)
    }
}
