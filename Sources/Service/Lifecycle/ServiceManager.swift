// SPDX-License-Identifier: Apache-2.0
import CSystemd
import Foundation
package import Media

/// What systemd is told; nothing where it does not listen.
package enum ServiceManager {
    package static func ready(_ status: String) { notify("READY=1\nSTATUS=\(oneLine(status))") }
    package static func stopping() { notify("STOPPING=1\nSTATUS=closing files and sources") }
    package static func status(_ text: String) { notify("STATUS=\(oneLine(text))") }
    /// Work goes on.
    package static func alive() { notify("WATCHDOG=1") }

    /// A reload is under way; `ready` ends it.
    package static func reloading() {
        let microseconds = MediaClock.now.nanoseconds / 1000
        notify("RELOADING=1\nMONOTONIC_USEC=\(microseconds)")
    }

    /// How often `alive` is to be called: half of the time after which systemd gives up. Nil without a watchdog.
    package static var watchdogInterval: MediaTime? {
        var microseconds: UInt64 = 0
        guard sd_watchdog_enabled(0, &microseconds) > 0, microseconds > 0 else { return nil }
        return MediaTime(nanoseconds: Int64(clamping: microseconds / 2 * 1000))
    }

    private static func notify(_ state: String) { sd_notify(0, state) }

    private static func oneLine(_ text: String) -> String {
        text.split(whereSeparator: \.isNewline).joined(separator: " ")
    }
}
