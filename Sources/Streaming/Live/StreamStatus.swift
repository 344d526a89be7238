// SPDX-License-Identifier: Apache-2.0

/// Everything that can be told of a live stream at one moment, in the words of the HTTP interface.
package struct StreamStatus: Codable, Sendable, Equatable {
    package enum State: String, Codable, Sendable {
        /// Nothing has come yet.
        case starting
        case running
        /// Pictures come, but something is missing: the sound, an output, speed.
        case degraded
        /// No pictures come.
        case down
        case paused
    }

    package struct Track: Codable, Sendable, Equatable {
        package var isUp = false
        /// Why it is down, without secrets.
        package var problem: String?
        package var reconnects = 0
        /// Frames or blocks of sound that came.
        package var received = 0

        package init() {}
    }

    package struct Output: Codable, Sendable, Equatable {
        package var name: String
        package var problem: String?
        package var framesWritten, framesDropped, restarts: Int
        package var clients: Int?

        package init(
            name: String, problem: String?, framesWritten: Int, framesDropped: Int, restarts: Int,
            clients: Int?
        ) {
            (self.name, self.problem, self.framesWritten) = (name, problem, framesWritten)
            (self.framesDropped, self.restarts, self.clients) = (framesDropped, restarts, clients)
        }
    }

    /// What is in force of the settings that speed depends on.
    package struct Economy: Codable, Sendable, Equatable {
        /// How long a window of sound, an image token and a remembered frame serve; 0 is one frame.
        package var audioHopSeconds = 0.0
        package var imageHopSeconds = 0.0
        package var memoryHopSeconds = 0.0
        /// Of the side of the picture that the model sees.
        package var sideShare = 1.0
        /// Every how many frames one is segmented, at most.
        package var everyFrames = 1

        package init() {}
    }

    package var name: String
    package var state = State.starting
    /// Why it is not simply running.
    package var reasons: [String] = []
    package var video = Track()
    /// Nil where the stream is set up without sound.
    package var audio: Track?
    package var width = 0
    package var height = 0
    /// Over the last seconds.
    package var sourceFramesPerSecond = 0.0
    package var segmentedFramesPerSecond = 0.0
    /// Level of the newest window of sound, dB relative to full scale.
    package var audioLevel: Double?
    /// `open`, `silent`, `background` or `absent`.
    package var gate = "absent"
    /// Of the masks drawn last.
    package var maskAgeSeconds: Double?
    /// From a frame's arrival to its way out, over the last minute.
    package var latencySecondsMedian: Double?
    package var latencySeconds95: Double?
    /// Distance between a frame and the end of its window of sound.
    package var skewSeconds: Double?
    package var framesSegmented = 0
    /// By reason.
    package var framesDropped: [String: Int] = [:]
    /// Steps taken to keep up; 0 is full quality.
    package var economyLevel = 0
    package var economy = Economy()
    package var memoryBytes = 0
    package var classes: [String] = []
    package var objects: [LiveObject] = []
    package var outputs: [Output] = []
    package var isRecording = false

    package init(name: String) { self.name = name }
}

/// Something that sounds, or sounded a moment ago.
package struct LiveObject: Codable, Sendable, Equatable {
    package enum State: String, Codable, Sendable {
        case sounding
        /// It is remembered, but not heard at the moment.
        case silent
        /// It is heard no more, or gone from sight; about to be forgotten.
        case lost
    }

    package var id: Int
    package var `class`: String
    package var state: State
    /// Probability of the class.
    package var score: Double
    /// Left, top, width, height in pixels; where it was seen last.
    package var box: [Int]
    package var area: Int
    /// Since its first and its newest evidence.
    package var ageSeconds: Double
    package var evidenceAgeSeconds: Double

    package init(
        id: Int, class name: String, state: State, score: Double, box: [Int], area: Int, ageSeconds: Double,
        evidenceAgeSeconds: Double
    ) {
        (self.id, self.class, self.state, self.score) = (id, name, state, score)
        (self.box, self.area, self.ageSeconds) = (box, area, ageSeconds)
        self.evidenceAgeSeconds = evidenceAgeSeconds
    }
}

/// One line of the events of live streams.
package struct LiveEvent: Codable, Sendable, Equatable {
    package enum Kind: String, Codable, Sendable {
        /// An object began to sound, still does (once a second), or has ended.
        case start, update, end
        /// The stream or one of its parts changed: see `detail`.
        case stream
    }

    /// Of this schema: grows with every change that a reader must know of.
    package static let currentVersion = 1

    package var version = Self.currentVersion
    /// Counts all events of the process, from 1.
    package var sequence: Int
    package var kind: Kind
    package var stream: String
    /// Wall-clock time, seconds since 1970.
    package var time: Double
    package var object: LiveObject?
    package var detail: String?

    package init(
        sequence: Int, kind: Kind, stream: String, time: Double, object: LiveObject? = nil,
        detail: String? = nil
    ) {
        (self.sequence, self.kind, self.stream, self.time) = (sequence, kind, stream, time)
        (self.object, self.detail) = (object, detail)
    }
}
