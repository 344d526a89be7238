// SPDX-License-Identifier: Apache-2.0
import CGStreamer

/// What a pipeline tells us on its bus.
package enum PipelineMessage: Sendable {
    case error(MediaError)
    case warning(MediaError)
    case missingPlugin(MediaError)
    case endOfStream
    case stateChanged(Pipeline.State)
    /// A state change or a seek is complete.
    case asyncDone
    case tags([String: String])
    case latency
    case other(String)
}

/// Owns a GStreamer pipeline made from text, and its bus. Messages are polled by the caller's own thread.
///
/// Safe to use from several threads: GStreamer locks its own objects, and nothing here changes after init.
package final class Pipeline: @unchecked Sendable {
    package enum State: Sendable { case null, ready, paused, playing }

    private let pipeline: UnsafeMutablePointer<GstElement>
    private let bus: UnsafeMutablePointer<GstBus>

    /// - Parameter text: what `gst-launch-1.0` takes. Values from users never belong into it: see `set`.
    package init(text: String) throws(MediaError) {
        try GStreamer.start()
        var failure: UnsafeMutablePointer<GError>?
        let context = gst_parse_context_new()
        defer { gst_parse_context_free(context) }
        // A pipeline can come back together with an error: the error decides.
        let parsed = gst_parse_launch_full(text, context, GST_PARSE_FLAG_NONE, &failure)
        if failure != nil {
            if let parsed { gst_object_unref(parsed) }
            throw Self.parseError(&failure, missing: Self.missingElements(context))
        }
        guard let parsed else { throw MediaError(.badPipeline, "pipeline", "the text makes no pipeline") }
        guard tavis_is_pipeline(parsed) != 0, let bus = gst_element_get_bus(parsed) else {
            gst_object_unref(parsed)
            throw MediaError(.badPipeline, "pipeline", "the text makes a single element, not a pipeline")
        }
        pipeline = parsed
        self.bus = bus
    }

    package convenience init(_ file: PipelineFile) throws(MediaError) { try self.init(text: file.text) }

    deinit {
        gst_element_set_state(pipeline, GST_STATE_NULL)
        gst_object_unref(bus)
        gst_object_unref(pipeline)
    }

    private static func missingElements(_ context: OpaquePointer?) -> [String] {
        guard let names = gst_parse_context_get_missing_elements(context) else { return [] }
        defer { g_strfreev(names) }
        var result: [String] = []
        while let name = names[result.count] { result.append(String(cString: name)) }
        return result
    }

    private static func parseError(
        _ failure: inout UnsafeMutablePointer<GError>?, missing: [String]
    ) -> MediaError {
        let message = takeMessage(&failure)
        guard let first = missing.first else { return MediaError(.badPipeline, "pipeline", message) }
        let hint = ElementCatalog.debianPackage(of: first).map { ": install \($0)" } ?? ""
        return MediaError(.missingPlugin, first, "GStreamer element is missing\(hint)", debug: message)
    }

    // MARK: Elements

    /// The element called `name`, owned by the result.
    func element(_ name: String) throws(MediaError) -> Element {
        guard let found = tavis_bin_get(pipeline, name) else {
            throw MediaError(.noSuchElement, name, "the pipeline has no element of this name")
        }
        return Element(adopting: found, name: name)
    }

    package func has(_ name: String) -> Bool { (try? element(name)) != nil }

    /// Text is handed over as it is: nothing in it is parsed.
    package func set(_ property: String, of name: String, to text: String) throws(MediaError) {
        guard !text.utf8.contains(0) else {
            throw MediaError(.badProperty, "\(name).\(property)", "the text holds a zero byte")
        }
        let element = try element(name)
        try Self.judge(tavis_set_string(element.raw, property, text), name, property, "text")
    }

    package func set(_ property: String, of name: String, to number: Int) throws(MediaError) {
        let element = try element(name)
        try Self.judge(tavis_set_int64(element.raw, property, number), name, property, "a number")
    }

    package func set(_ property: String, of name: String, to on: Bool) throws(MediaError) {
        let element = try element(name)
        try Self.judge(tavis_set_boolean(element.raw, property, on ? 1 : 0), name, property, "true or false")
    }

    /// Chooses one of the names of an enumeration, or flags joined by `+`.
    package func choose(_ property: String, of name: String, _ choice: String) throws(MediaError) {
        guard tavis_set_by_name(try element(name).raw, property, choice) != 0 else {
            throw MediaError(.badProperty, "\(name).\(property)", "has no choice \"\(choice)\"")
        }
    }

    /// - Parameter caps: made by this program; values from users never belong into it.
    func setCaps(_ property: String, of name: String, to caps: String) throws(MediaError) {
        guard tavis_set_caps(try element(name).raw, property, caps) != 0 else {
            throw MediaError(.badProperty, "\(name).\(property)", "does not take \(caps)")
        }
    }

    /// Times everything by `MediaClock`.
    func useMediaClock() { tavis_use_system_clock(pipeline) }

    /// Where running time is zero on the pipeline's clock.
    var baseTime: MediaTime { MediaTime(clockTime: tavis_base_time(pipeline)) ?? .zero }

    /// The text of a string property, nil when it has none.
    package func text(of property: String, in name: String) throws(MediaError) -> String? {
        takeString(tavis_get_string(try element(name).raw, property))
    }

    private static func judge(
        _ result: TavisSetResult, _ element: String, _ property: String, _ kind: String
    ) throws(MediaError) {
        switch result {
        case TAVIS_SET_OK: return
        case TAVIS_SET_WRONG_TYPE:
            throw MediaError(.badProperty, "\(element).\(property)", "does not take \(kind)")
        default: throw MediaError(.badProperty, "\(element).\(property)", "no such property")
        }
    }

    // MARK: States

    /// Asks for a state; the change may still be under way on return. `wait(for:)` sees it through.
    package func setState(_ state: State) throws(MediaError) {
        guard gst_element_set_state(pipeline, state.raw) == GST_STATE_CHANGE_FAILURE else { return }
        throw firstError(waiting: .milliseconds(100))
            ?? MediaError(.pipeline, "pipeline", "cannot change to state \(state)")
    }

    /// Waits until the pipeline has reached the state it was asked for.
    package func waitForState(timeout: MediaTime, cancelled: () -> Bool = { false }) throws(MediaError) {
        let deadline = Deadline(after: timeout)
        repeat {
            if cancelled() { throw MediaError(.cancelled, "pipeline", "cancelled") }
            if let error = firstError(waiting: .zero) { throw error }
            switch gst_element_get_state(pipeline, nil, nil, 20_000_000) {
            case GST_STATE_CHANGE_FAILURE:
                throw firstError(waiting: .milliseconds(100))
                    ?? MediaError(.pipeline, "pipeline", "cannot start")
            case GST_STATE_CHANGE_ASYNC: continue
            default: return
            }
        } while !deadline.isPast
        throw MediaError(.stalled, "pipeline", "did not start within \(timeout.seconds) s")
    }

    /// Jumps to `start`, to the frame, and ends at `stop`. The pipeline must be paused and at rest.
    func seek(to start: MediaTime, until stop: MediaTime?) throws(MediaError) {
        let flags = GstSeekFlags(rawValue: GST_SEEK_FLAG_FLUSH.rawValue | GST_SEEK_FLAG_ACCURATE.rawValue)
        let done = gst_element_seek(
            pipeline, 1, GST_FORMAT_TIME, flags, GST_SEEK_TYPE_SET, Int(start.nanoseconds),
            stop == nil ? GST_SEEK_TYPE_NONE : GST_SEEK_TYPE_SET, stop.map { Int($0.nanoseconds) } ?? -1)
        if done == 0 { throw MediaError(.unsupported, "pipeline", "cannot jump to \(start)") }
    }

    // MARK: Bus

    /// The next message, or nil when none came within `timeout`.
    package func nextMessage(timeout: MediaTime) -> PipelineMessage? {
        guard let message = gst_bus_timed_pop(bus, timeout.clockTime) else { return nil }
        defer { gst_message_unref(message) }
        return interpret(message)
    }

    /// The first error on the bus; other messages are passed over. A missing plugin explains the error
    /// that follows it, and takes its place.
    package func firstError(waiting timeout: MediaTime) -> MediaError? {
        let deadline = Deadline(after: timeout)
        var missing: MediaError?
        while let message = nextMessage(timeout: missing == nil ? deadline.remaining : .zero) {
            switch message {
            case .error(let error):
                return error.code == .diskFull ? error : missing ?? error
            case .missingPlugin(let error): missing = missing ?? error
            default: continue
            }
        }
        return nil
    }

    private func interpret(_ message: UnsafeMutablePointer<GstMessage>) -> PipelineMessage {
        switch message.pointee.type {
        case GST_MESSAGE_ERROR: return .error(problem(message, gst_message_parse_error))
        case GST_MESSAGE_WARNING: return .warning(problem(message, gst_message_parse_warning))
        case GST_MESSAGE_EOS: return .endOfStream
        case GST_MESSAGE_ASYNC_DONE: return .asyncDone
        case GST_MESSAGE_LATENCY: return .latency
        case GST_MESSAGE_TAG: return .tags(tags(in: message))
        case GST_MESSAGE_STATE_CHANGED where tavis_message_is_from(message, pipeline) != 0:
            return .stateChanged(newState(message))
        case GST_MESSAGE_ELEMENT where gst_is_missing_plugin_message(message) != 0:
            return .missingPlugin(Self.missingPlugin(message))
        default: return .other(String(cString: gst_message_type_get_name(message.pointee.type)))
        }
    }

    private typealias ParseProblem = (
        UnsafeMutablePointer<GstMessage>?, UnsafeMutablePointer<UnsafeMutablePointer<GError>?>?,
        UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
    ) -> Void

    private func problem(_ message: UnsafeMutablePointer<GstMessage>, _ parse: ParseProblem) -> MediaError {
        var raised: UnsafeMutablePointer<GError>?
        var debug: UnsafeMutablePointer<CChar>?
        parse(message, &raised, &debug)
        let code = raised.map { MediaError.Code(tavis_error_kind($0)) } ?? .pipeline
        return MediaError(
            code, String(cString: tavis_message_source(message)), takeMessage(&raised),
            debug: takeString(debug))
    }

    private static func missingPlugin(_ message: UnsafeMutablePointer<GstMessage>) -> MediaError {
        let what = takeString(gst_missing_plugin_message_get_description(message)) ?? "a plugin"
        return MediaError(
            .missingPlugin, "GStreamer",
            "nothing installed handles this: \(what); the packages "
                + "gstreamer1.0-plugins-good, -bad, -ugly and gstreamer1.0-libav have most codecs")
    }

    private func tags(in message: UnsafeMutablePointer<GstMessage>) -> [String: String] {
        var list: UnsafeMutablePointer<GstTagList>?
        gst_message_parse_tag(message, &list)
        guard let list else { return [:] }
        defer { tavis_tag_list_unref(list) }
        return tagTexts(list)
    }

    private func newState(_ message: UnsafeMutablePointer<GstMessage>) -> State {
        var new = GST_STATE_NULL
        gst_message_parse_state_changed(message, nil, &new, nil)
        return State(new)
    }
}

/// Owns one reference to an element of a pipeline.
final class Element: @unchecked Sendable {  // never changes after init; GStreamer's count is atomic
    let raw: UnsafeMutablePointer<GstElement>
    let name: String

    init(adopting raw: UnsafeMutablePointer<GstElement>, name: String) {
        self.raw = raw
        self.name = name
    }
    deinit { gst_object_unref(raw) }
}

/// All tags of a list as text, by their GStreamer names; pictures and other blobs are left out.
func tagTexts(_ list: UnsafePointer<GstTagList>) -> [String: String] {
    var result: [String: String] = [:]
    for index in 0..<max(0, gst_tag_list_n_tags(list)) {
        guard let name = gst_tag_list_nth_tag_name(list, UInt32(index)),
            let text = takeString(tavis_tag_text(list, name))
        else { continue }
        result[String(cString: name)] = text
    }
    return result
}

/// A moment on the monotonic clock.
struct Deadline {
    private let end: ContinuousClock.Instant

    init(after time: MediaTime) { end = .now + .nanoseconds(max(0, time.nanoseconds)) }

    var remaining: MediaTime {
        let left = (end - .now).components
        return left.seconds < 0 || left.attoseconds < 0
            ? .zero : MediaTime.seconds(Double(left.seconds) + Double(left.attoseconds) / 1e18)
    }
    var isPast: Bool { ContinuousClock.now >= end }
}

extension Pipeline.State {
    fileprivate var raw: GstState {
        switch self {
        case .null: GST_STATE_NULL
        case .ready: GST_STATE_READY
        case .paused: GST_STATE_PAUSED
        case .playing: GST_STATE_PLAYING
        }
    }

    fileprivate init(_ raw: GstState) {
        switch raw {
        case GST_STATE_PLAYING: self = .playing
        case GST_STATE_PAUSED: self = .paused
        case GST_STATE_READY: self = .ready
        default: self = .null
        }
    }
}

extension MediaError.Code {
    init(_ kind: TavisErrorKind) {
        switch kind {
        case TAVIS_ERROR_NO_SPACE: self = .diskFull
        case TAVIS_ERROR_NOT_FOUND: self = .notFound
        case TAVIS_ERROR_OPEN_READ: self = .unreadable
        case TAVIS_ERROR_OPEN_WRITE, TAVIS_ERROR_WRITE: self = .notWritable
        case TAVIS_ERROR_TYPE_NOT_FOUND, TAVIS_ERROR_WRONG_TYPE: self = .notMedia
        case TAVIS_ERROR_CODEC_NOT_FOUND, TAVIS_ERROR_MISSING_PLUGIN: self = .missingPlugin
        case TAVIS_ERROR_DEMUX, TAVIS_ERROR_DECODE: self = .decode
        default: self = .pipeline
        }
    }
}
