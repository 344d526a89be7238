// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Foundation
import Streaming
import Synchronization

/// Turns SIGINT and SIGTERM into a request to stop. A second one ends the program at once.
final class StopSignals: @unchecked Sendable {  // `sources` is only kept after init
    let flag = StopFlag()
    private let received = Mutex<Int32?>(nil)
    private var sources: [any DispatchSourceSignal] = []

    init() {
        for number in [SIGINT, SIGTERM] {
            // Only what the default action does not get reaches a dispatch source.
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { [self] in handle(number) }
            source.resume()
            sources.append(source)
        }
        signal(SIGPIPE, SIG_IGN)
    }

    /// 128 + number of the signal, as shells report it; nil while there was none.
    var exitCode: Int32? { received.withLock { $0 }.map { 128 + $0 } }

    private func handle(_ number: Int32) {
        let isSecond = received.withLock { received in
            defer { received = received ?? number }
            return received != nil
        }
        if isSecond { _exit(128 + number) }
        flag.request()
    }
}
