// SPDX-License-Identifier: Apache-2.0
import Foundation
package import Media

/// Writes curves and pictures as TensorBoard reads them.
///
/// The file is a sequence of TFRecords: length, its checksum, an `Event` message, its checksum. Only the fields that
/// scalars and PNG pictures need are written. Source: TensorFlow's `event.proto`, `summary.proto` and `record_writer.cc`.
package final class EventFileWriter {
    private enum EventField {
        static let time: UInt64 = 1, step: UInt64 = 2, version: UInt64 = 3, summary: UInt64 = 5,
            session: UInt64 = 7
    }
    private enum ValueField { static let tag: UInt64 = 1, number: UInt64 = 2, image: UInt64 = 4 }
    private enum ImageField {
        static let height: UInt64 = 1, width: UInt64 = 2, channels: UInt64 = 3, png: UInt64 = 4
    }

    package let path: String
    private let file: AppendFile
    private let clock: () -> Double

    /// Begins a file of its own in `folder`, which must exist.
    ///
    /// - Parameters:
    ///   - step: where the run begins. What earlier files of the folder say about later steps no longer counts.
    ///   - clock: seconds since 1970.
    package init(
        folder: String, step: Int, clock: @escaping () -> Double = { Date().timeIntervalSince1970 }
    ) throws(RunFileError) {
        self.clock = clock
        path = "\(folder)/events.out.tfevents.\(Int(clock())).tavisd.\(getpid()).\(step)"
        file = try AppendFile(path: path)
        var version = ProtobufMessage()
        version.add(EventField.time, clock())
        version.add(EventField.version, "brain.Event:2")
        try append(version)
        if step > 0 { try markStart(step) }
    }

    /// Points of curves, by name; a slash groups them.
    package func add(_ scalars: [(name: String, value: Float)], step: Int) throws(RunFileError) {
        var summary = ProtobufMessage()
        for (name, value) in scalars {
            var entry = ProtobufMessage()
            entry.add(ValueField.tag, name)
            entry.add(ValueField.number, value)
            summary.add(1, entry)
        }
        try append(summary, step: step)
    }

    /// A picture under a name.
    package func add(_ image: RGBImage, name: String, step: Int) throws {
        let png = try PNGWriter.encode(
            PNGImage(width: image.width, height: image.height, kind: .rgb, pixels: image.pixels), about: name)
        var picture = ProtobufMessage()
        picture.add(ImageField.height, image.height)
        picture.add(ImageField.width, image.width)
        picture.add(ImageField.channels, 3)
        picture.add(ImageField.png, png)
        var entry = ProtobufMessage()
        entry.add(ValueField.tag, name)
        entry.add(ValueField.image, picture)
        var summary = ProtobufMessage()
        summary.add(1, entry)
        try append(summary, step: step)
    }

    private func append(_ summary: ProtobufMessage, step: Int) throws(RunFileError) {
        var event = ProtobufMessage()
        event.add(EventField.time, clock())
        event.add(EventField.step, step)
        event.add(EventField.summary, summary)
        try append(event)
    }

    /// Tells readers that the run was taken up at this step.
    private func markStart(_ step: Int) throws(RunFileError) {
        var session = ProtobufMessage()
        session.add(1, 1)
        var event = ProtobufMessage()
        event.add(EventField.time, clock())
        event.add(EventField.step, step)
        event.add(EventField.session, session)
        try append(event)
    }

    private func append(_ event: ProtobufMessage) throws(RunFileError) {
        let length = littleEndianBytes(UInt64(event.bytes.count))
        try file.append(
            length + littleEndianBytes(CRC32C.masked(length)) + event.bytes
                + littleEndianBytes(CRC32C.masked(event.bytes)))
    }
}
