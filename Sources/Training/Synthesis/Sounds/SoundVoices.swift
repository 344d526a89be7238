// SPDX-License-Identifier: Apache-2.0
import Foundation

/// The families of sounds, one for each class.
extension SoundScore {
    /// Adds the sound to `samples`, at its level.
    ///
    /// - Parameters:
    ///   - samples: of the whole clip.
    ///   - scratch: as many, overwritten.
    func add(to samples: UnsafeMutableBufferPointer<Float>, _ scratch: UnsafeMutableBufferPointer<Float>) {
        scratch.update(repeating: 0)
        for (index, event) in events.enumerated() { play(event, index, scratch) }
        var energy: Float = 0
        for i in scratch.indices { energy += scratch[i] * scratch[i] }
        let played = events.reduce(0) { $0 + $1.end - $1.start } * Double(SyntheticSound.sampleRate)
        let gain = pow(10, level / 20) / max((energy / Float(max(played, 1))).squareRoot(), 1e-6)
        for i in samples.indices { samples[i] += gain * scratch[i] }
    }

    private func play(_ event: SoundEvent, _ index: Int, _ samples: UnsafeMutableBufferPointer<Float>) {
        let hiss = Hiss(seed &+ UInt64(index) &* 0x9E37_79B9_7F4A_7C15)
        switch item {
        case .bell: bell(event, EventSpan(event, of: samples, fade: 0.004))
        case .bird: bird(event, EventSpan(event, of: samples, fade: 0.012))
        case .car: car(EventSpan(event, of: samples, fade: 0.03), hiss)
        case .clock: clock(event, EventSpan(event, of: samples, fade: 0.0005), hiss)
        case .dog: dog(event, EventSpan(event, of: samples, fade: 0.015), hiss)
        case .drum: drum(event, EventSpan(event, of: samples, fade: 0.002), hiss)
        case .fan: fan(EventSpan(event, of: samples, fade: 0.05), hiss)
        case .flute: flute(event, EventSpan(event, of: samples, fade: 0.035), hiss)
        case .guitar: guitar(event, EventSpan(event, of: samples, fade: 0.003), hiss)
        case .rattle: rattle(event, EventSpan(event, of: samples, fade: 0.006), hiss)
        case .saw: saw(event, EventSpan(event, of: samples, fade: 0.03), hiss, isPull: index % 2 == 1)
        case .siren: siren(EventSpan(event, of: samples, fade: 0.03))
        }
    }

    /// A number of the family from a trait in 0…1, evenly in pitch.
    private func pitch(_ trait: Float, _ low: Float, _ high: Float) -> Float { low * pow(high / low, trait) }

    /// A strike: inharmonic partials, the high ones gone first.
    private func bell(_ event: SoundEvent, _ span: EventSpan) {
        let ratios: [Float] = [0.5, 1, 1.19, 1.5, 2, 2.52, 2.98, 4.07]
        let base = pitch(timbre[0], 450, 1100) * event.pitch
        var partials = ratios.enumerated().map { index, ratio in
            let stretch = 1 + 0.02 * (timbre[(index + 1) % 8] - 0.5)
            let bright = pow(0.5 + 0.45 * timbre[1], Float(index))
            return Partial(
                min(base * ratio * stretch, 7000), amplitude: bright,
                decay: (0.8 + 1.6 * timbre[2]) / (0.5 + 0.4 * ratio))
        }
        span.add(event.force) { _ in
            partials.withUnsafeMutableBufferPointer { partials in
                var sum: Float = 0
                for k in partials.indices { sum += partials[k].next() }
                return sum
            }
        }
    }

    /// A chirp: one fast bent sweep high up.
    private func bird(_ event: SoundEvent, _ span: EventSpan) {
        let middle = pitch(timbre[0], 2400, 5000) * event.pitch
        let (sweep, bend) = (timbre[1] * 1.2 - 0.6, timbre[2] * 0.8 - 0.4)
        let trill = timbre[3] > 0.7 ? 0.08 as Float : 0
        let (rate, overtone) = (25 + 30 * timbre[4], 0.25 * timbre[5])
        var phase = Phase()
        span.add(event.force) { t in
            let u = t - 0.5
            let wobble = trill * sineOfTurns(t * span.seconds * rate)
            let turns = phase.advance(min(middle * (1 + sweep * u + bend * (4 * u * u - 0.5) + wobble), 7600))
            return sineOfTurns(turns) + overtone * sineOfTurns(2 * turns)
        }
    }

    /// An engine: uneven firing through a body that booms, with rumble.
    private func car(_ span: EventSpan, _ noise: Hiss) {
        var (hiss, phase) = (noise, Phase())
        let idle = pitch(timbre[0], 28, 75)
        let (swell, swellRate) = (0.25 * timbre[1], 0.15 + 0.6 * timbre[2])
        var body = StateFilter(90 + 90 * timbre[3], sharpness: 4)
        var pipe = StateFilter(260 + 300 * timbre[4], sharpness: 3)
        var rumble = StateFilter(200 + 200 * timbre[5], sharpness: 0.6)
        var wasLate = false
        span.add(1) { t in
            let speed = idle * (1 + swell * sineOfTurns(t * span.seconds * swellRate + timbre[6]))
            let turns = phase.advance(speed)
            // A pulse each time the phase wraps.
            let fires = turns < 0.5 && wasLate
            wasLate = turns >= 0.5
            let pulse: Float = fires ? 12 + 4 * hiss.next() : 0
            let noise = hiss.next()
            return body(pulse).band + 0.8 * pipe(pulse + 0.2 * noise).band + 0.3 * rumble(noise).low
        }
    }

    /// A tick: a click through a small hard case.
    private func clock(_ event: SoundEvent, _ span: EventSpan, _ noise: Hiss) {
        var hiss = noise
        var click = Decay(0.012 + 0.01 * timbre[0])
        var high = Partial(
            pitch(timbre[1], 2600, 5200) * event.pitch, amplitude: 0.8, decay: 0.03 + 0.03 * timbre[2])
        var low = Partial(
            pitch(timbre[3], 1000, 1900) * event.pitch, amplitude: 0.4, decay: 0.02 + 0.03 * timbre[4])
        span.add(event.force) { _ in hiss.next() * click.next() + high.next() + low.next() }
    }

    /// A bark: a falling growl through a mouth.
    private func dog(_ event: SoundEvent, _ span: EventSpan, _ noise: Hiss) {
        var (hiss, phase) = (noise, Phase())
        let base = pitch(timbre[0], 160, 480) * event.pitch
        var throat = StateFilter(pitch(timbre[1], 550, 950), sharpness: 3.5)
        var mouth = StateFilter(pitch(timbre[2], 1300, 2100), sharpness: 4)
        let breath = 0.15 + 0.35 * timbre[3]
        span.add(event.force) { t in
            let turns = phase.advance(base * (0.85 + 1.1 * t * (1 - t) * 2 - 0.35 * t))
            // A saw-tooth: all overtones.
            let source = 2 * turns - 1 + breath * hiss.next()
            let shape = min(1, t * 8) * (1 - t * t)
            return shape * (throat(source).band + 0.7 * mouth(source).band)
        }
    }

    /// A beat: a low tone that drops, and the slap of the stick.
    private func drum(_ event: SoundEvent, _ span: EventSpan, _ noise: Hiss) {
        var (hiss, phase) = (noise, Phase())
        let base = pitch(timbre[0], 60, 150) * event.pitch
        var (ring, slap, bend) = (Decay(0.25 + 0.35 * timbre[1]), Decay(0.05 + 0.12 * timbre[2]), Decay(0.12))
        var skin = StateFilter(500 + 1500 * timbre[3], sharpness: 0.8)
        let snap = 0.3 + 0.5 * timbre[4]
        span.add(event.force) { _ in
            let tone = sineOfTurns(phase.advance(base * (1 + 1.5 * bend.next()))) * ring.next()
            return tone + snap * skin(hiss.next()).low * slap.next()
        }
    }

    /// Air, chopped by blades, over the hum of a motor.
    private func fan(_ span: EventSpan, _ noise: Hiss) {
        var (hiss, phase, blades) = (noise, Phase(), Phase())
        let hum = pitch(timbre[0], 180, 420)
        let chop = 9 + 12 * timbre[1]
        let depth = 0.5 + 0.4 * timbre[2]
        var air = StateFilter(pitch(timbre[3], 500, 1600), sharpness: 0.7)
        let tone = 0.12 + 0.2 * timbre[4]
        span.add(1) { _ in
            let turns = phase.advance(hum)
            let motor = sineOfTurns(turns) + 0.6 * sineOfTurns(2 * turns) + 0.4 * sineOfTurns(3 * turns)
            let gust = 1 - depth * (0.5 + 0.5 * sineOfTurns(blades.advance(chop)))
            return 0.7 * gust * air(hiss.next()).low + tone * motor * (0.6 + 0.4 * gust)
        }
    }

    /// A note: few overtones, vibrato, breath.
    private func flute(_ event: SoundEvent, _ span: EventSpan, _ noise: Hiss) {
        var (hiss, phase, shake) = (noise, Phase(), Phase())
        let base = pitch(timbre[0], 480, 1150) * event.pitch
        let (depth, rate) = (0.004 + 0.012 * timbre[1], 4.5 + 2 * timbre[2])
        var air = StateFilter(base * 2, sharpness: 1.5)
        let breath = 0.04 + 0.12 * timbre[3]
        let (second, third) = (0.1 + 0.35 * timbre[4], 0.05 + 0.15 * timbre[5])
        span.add(event.force) { _ in
            let vibrato = sineOfTurns(shake.advance(rate))
            let turns = phase.advance(base * (1 + depth * vibrato))
            let tone = sineOfTurns(turns) + second * sineOfTurns(2 * turns) + third * sineOfTurns(3 * turns)
            return tone * (1 + 0.15 * vibrato) + breath * air(hiss.next()).band
        }
    }

    /// A strummed chord: delay lines that average what they repeat.
    private func guitar(_ event: SoundEvent, _ span: EventSpan, _ noise: Hiss) {
        var hiss = noise
        let base = pitch(timbre[0], 95, 200) * event.pitch
        let third: Float = timbre[1] > 0.5 ? 1.26 : 1.189
        let damping = 0.990 + 0.008 * timbre[2]
        let strum = 0.008 + 0.02 * timbre[3]
        let softness = 0.2 + 0.6 * timbre[4]
        for (index, ratio) in [1, 1.498, 2, 2 * third].enumerated() {
            let length = max(8, Int(Float(SyntheticSound.sampleRate) / (base * ratio)))
            let delay = Int(strum * Float(index) * Float(SyntheticSound.sampleRate))
            guard delay < span.samples.count else { break }
            pluck(span, from: delay, length, damping, softness, event.force, &hiss)
        }
    }

    private func pluck(
        _ span: EventSpan, from delay: Int, _ length: Int, _ damping: Float, _ softness: Float,
        _ force: Float,
        _ hiss: inout Hiss
    ) {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: length) { string in
            var smooth: Float = 0
            for k in 0..<length {
                smooth += (1 - softness) * (hiss.next() - smooth)
                string.initializeElement(at: k, to: smooth)
            }
            var (at, previous) = (0, Float(0))
            var wait = delay
            span.add(force) { _ in
                if wait > 0 {
                    wait -= 1
                    return 0
                }
                let now = string[at]
                string[at] = damping * 0.5 * (now + previous)
                previous = now
                at = at + 1 == length ? 0 : at + 1
                return now
            }
        }
    }

    /// A shake: a short swell of bright hiss.
    private func rattle(_ event: SoundEvent, _ span: EventSpan, _ noise: Hiss) {
        var hiss = noise
        var seeds = StateFilter(2600, sharpness: 0.8 + 0.8 * timbre[1])
        var shell = StateFilter(2500 + 160 * timbre[0], sharpness: 2)
        let attack = 0.15 + 0.4 * timbre[2]
        span.add(event.force) { t in
            let shape = t < attack ? t / attack : (1 - t) / (1 - attack)
            let high = seeds(hiss.next()).high
            return shape * shape * (high + 0.5 * timbre[3] * shell(high).band)
        }
    }

    /// A stroke: rasping noise whose colour rises on the push and falls on the pull.
    private func saw(_ event: SoundEvent, _ span: EventSpan, _ noise: Hiss, isPull: Bool) {
        var (hiss, teeth) = (noise, Phase())
        let rasp = pitch(timbre[0], 55, 130)
        let low = pitch(timbre[1], 700, 1200)
        let rise = 1.2 + 0.9 * timbre[2]
        var wood = StateFilter(low, sharpness: 2.5 + 2 * timbre[3])
        var count = 0
        span.add(isPull ? event.force * 0.8 : event.force) { t in
            let along = isPull ? 1 - t : t
            if count % 32 == 0 { wood.tune(min(low * (1 + (rise - 0.2) * along), 2600)) }
            count += 1
            let bite = teeth.advance(rasp * (0.7 + 0.6 * t * (1 - t) * 4))
            return wood(hiss.next() * (1.2 - bite) * (1.2 - bite)).band * (0.5 + 2 * t * (1 - t))
        }
    }

    /// A loud tone that glides or jumps between two heights.
    private func siren(_ span: EventSpan) {
        var phase = Phase()
        let (low, spread) = (pitch(timbre[0], 480, 800), 1.35 + 0.75 * timbre[1])
        let rate = pitch(timbre[2], 0.5, 3)
        let jumps = timbre[3] > 0.65
        let (second, third) = (0.2 + 0.3 * timbre[4], 0.2 + 0.3 * timbre[5])
        var height: Float = 0
        span.add(1) { t in
            let wave = triangleWave(t * span.seconds * rate + timbre[6])
            let aim: Float = jumps ? (wave > 0 ? 1 : 0) : 0.5 + 0.5 * wave
            height += (aim - height) * 0.004
            let turns = phase.advance(low * (1 + (spread - 1) * height))
            return sineOfTurns(turns) + second * sineOfTurns(2 * turns) + third * sineOfTurns(3 * turns)
                + 0.15 * sineOfTurns(5 * turns)
        }
    }
}
