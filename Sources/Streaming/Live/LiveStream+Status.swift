// SPDX-License-Identifier: Apache-2.0
package import Media

extension LiveStream {
    /// Everything that can be told of the stream at this moment.
    package var status: StreamStatus {
        let now = MediaClock.now
        var status = StreamStatus(name: settings.name)
        let inputs = inputs.withLock { $0 }
        status.video = inputs[.video]?.track ?? .init()
        status.audio = inputs[.audio]?.track
        if let frame = picture(overlaid: false) {
            (status.width, status.height) = (frame.width, frame.height)
        }
        status.outputs = outputs.withLock { $0 }.map { StreamStatus.Output($0.output.status) }
        if let recorder {
            status.outputs.append(StreamStatus.Output(recorder.status))
            status.isRecording = recorder.isRecording
        }
        numbers.withLock { $0 }.tell(&status, at: now)
        judge(&status, hasBeenUp: inputs[.video]?.hasBeenUp ?? false)
        return status
    }

    /// When the composer was last seen alive.
    package var composerBeat: MediaTime { numbers.withLock { $0.composerBeat } }

    private func judge(_ status: inout StreamStatus, hasBeenUp: Bool) {
        if isPaused {
            (status.state, status.reasons) = (.paused, [])
            return
        }
        if !status.video.isUp {
            status.state = hasBeenUp || status.video.problem != nil ? .down : .starting
            status.reasons.append("no picture" + (status.video.problem.map { ": \($0)" } ?? ""))
        }
        if let audio = status.audio, !audio.isUp, audio.problem != nil || status.video.isUp {
            status.reasons.append("no sound" + (audio.problem.map { ": \($0)" } ?? ""))
        }
        if let problem = numbers.withLock({ $0.problem }) {
            status.reasons.append("the model fails: \(problem)")
        }
        status.reasons += status.outputs.compactMap { output in output.problem.map { "\(output.name): \($0)" }
        }
        let economy = numbers.withLock { $0.economy }
        if economy.level > 0 {
            status.reasons.append("too slow for full quality: \(economy.text)")
        }
        if status.video.isUp { status.state = status.reasons.isEmpty ? .running : .degraded }
    }
}

extension LiveNumbers {
    fileprivate func tell(_ status: inout StreamStatus, at now: MediaTime) {
        status.sourceFramesPerSecond = arrivals.rate(at: now)
        status.segmentedFramesPerSecond = segmented.rate(at: now)
        (status.audioLevel, status.gate) = (level, gate.rawValue)
        (status.maskAgeSeconds, status.skewSeconds) = (maskAge, skew)
        status.latencySecondsMedian = latencies.quantile(0.5, at: now)
        status.latencySeconds95 = latencies.quantile(0.95, at: now)
        status.framesSegmented = framesSegmented
        for reason in DropReason.allCases { status.framesDropped[reason.rawValue] = dropped[reason] ?? 0 }
        (status.economyLevel, status.memoryBytes) = (economy.level, memoryBytes)
        status.economy = StreamStatus.Economy(economy.economy)
        (status.classes, status.objects) = (classes, objects)
    }
}

extension StreamStatus.Output {
    fileprivate init(_ status: LiveOutputStatus) {
        self.init(
            name: status.name, problem: status.problem, framesWritten: status.framesWritten,
            framesDropped: status.framesDropped, restarts: status.restarts, clients: status.clients)
    }
}

extension StreamStatus.Economy {
    fileprivate init(_ economy: Economy) {
        (audioHopSeconds, imageHopSeconds) = (economy.audioHop.seconds, economy.imageHop.seconds)
        (memoryHopSeconds, sideShare) = (economy.memoryHop.seconds, economy.side)
        everyFrames = economy.everyFrames
    }
}
