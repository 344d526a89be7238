// SPDX-License-Identifier: Apache-2.0
import ConfigurationFiles
import Testing
import Training

@testable import tavisd

@Suite("How the program ends")
struct ProgramExitTests {
    @Test("a wrong configuration file ends with 78 and a line for each problem")
    func configuration() throws {
        let error = ConfigurationError(
            file: "f.yaml",
            problems: [
                .init(line: 9, key: "b", expected: "x", found: "y"),
                .init(line: 2, key: "a", expected: "x", found: "y"),
            ])
        let message = try #require(ProgramExit(error).message)
        #expect(message.code == 78)
        #expect(
            message.line
                == "tavisd: f.yaml:2: a: expected x, found y\ntavisd: f.yaml:9: b: expected x, found y")
    }
}
