// SPDX-License-Identifier: Apache-2.0
package import Media

/// The objects of a live stream from their first sound until they are forgotten, with ids that stay.
///
/// The tracker drops an object soon after it was last heard and gives it a new id when it is heard again. The ledger
/// remembers it for a while, so that a bell that rings once a second stays one bell.
package struct ObjectLedger: Sendable {
    package struct Settings: Sendable, Equatable {
        /// Not heard for this long, an object counts as lost and its sounding has ended.
        package var lostAfter = MediaTime.seconds(2)
        /// It is forgotten after this long.
        package var expireAfter = MediaTime.seconds(30)
        /// At most so many are remembered.
        package var limit = 64
        /// Boxes of one class that overlap at least this much (IoU) belong to one object.
        package var sameOverlap = 0.2
        package var updateInterval = MediaTime.seconds(1)

        package init() {}
    }

    package struct Change: Sendable, Equatable {
        package var kind: LiveEvent.Kind
        package var object: LiveObject
    }

    private struct Entry: Sendable {
        var id: Int
        /// The tracker's number for it.
        var trackID: Int
        var seen: SoundingObject
        var first, last, reported: MediaTime
        var isSounding = true
        var hasEnded = false
    }

    private let settings: Settings
    private var entries: [Entry] = []
    private var lastID = 0

    package init(_ settings: Settings = Settings()) { self.settings = settings }

    /// Takes in a frame's objects and gives them their lasting ids.
    package mutating func take(_ analysis: inout FrameAnalysis) -> [Change] {
        let now = analysis.time
        var changes = endLost(at: now)
        for index in entries.indices { entries[index].isSounding = false }
        for index in analysis.objects.indices {
            let entry = self.entry(of: analysis.objects[index], at: now, &changes)
            analysis.objects[index].id = entries[entry].id
        }
        changes += updates(at: now)
        return changes
    }

    /// Nothing was seen: objects end as time goes on.
    package mutating func rest(at now: MediaTime) -> [Change] {
        for index in entries.indices where now - entries[index].last > settings.updateInterval {
            entries[index].isSounding = false
        }
        return endLost(at: now)
    }

    /// Everything ends, for a stream that ends.
    package mutating func close(at now: MediaTime) -> [Change] {
        defer { entries = [] }
        return entries.filter { !$0.hasEnded }.map { Change(kind: .end, object: object($0, at: now)) }
    }

    /// All that are remembered, in the order of their ids.
    package func objects(at now: MediaTime) -> [LiveObject] { entries.map { object($0, at: now) } }

    private mutating func endLost(at now: MediaTime) -> [Change] {
        var changes: [Change] = []
        for index in entries.indices
        where !entries[index].hasEnded && now - entries[index].last >= settings.lostAfter {
            (entries[index].hasEnded, entries[index].isSounding) = (true, false)
            changes.append(Change(kind: .end, object: object(entries[index], at: now)))
        }
        entries.removeAll { now - $0.last >= settings.expireAfter }
        return changes
    }

    /// Index of the entry that `seen` belongs to, which may be a new one.
    private mutating func entry(of seen: SoundingObject, at now: MediaTime, _ changes: inout [Change]) -> Int
    {
        if let index = known(seen) {
            let isBack = entries[index].hasEnded
            (entries[index].trackID, entries[index].seen, entries[index].last) = (seen.id, seen, now)
            (entries[index].isSounding, entries[index].hasEnded) = (true, false)
            if isBack {
                (entries[index].first, entries[index].reported) = (now, now)
                changes.append(Change(kind: .start, object: object(entries[index], at: now)))
            }
            return index
        }
        makeRoom(&changes, at: now)
        lastID += 1
        entries.append(Entry(id: lastID, trackID: seen.id, seen: seen, first: now, last: now, reported: now))
        changes.append(Change(kind: .start, object: object(entries[entries.count - 1], at: now)))
        return entries.count - 1
    }

    private func known(_ seen: SoundingObject) -> Int? {
        if let same = entries.firstIndex(where: {
            $0.trackID == seen.id && $0.seen.classIndex == seen.classIndex
        }) {
            return same
        }
        let likely = entries.indices.filter {
            !entries[$0].isSounding && entries[$0].seen.classIndex == seen.classIndex
                && entries[$0].seen.box.overlap(with: seen.box) >= settings.sameOverlap
        }
        return likely.max {
            entries[$0].seen.box.overlap(with: seen.box) < entries[$1].seen.box.overlap(with: seen.box)
        }
    }

    /// Forgets what was heard longest ago.
    private mutating func makeRoom(_ changes: inout [Change], at now: MediaTime) {
        guard entries.count >= settings.limit,
            let oldest = entries.indices.min(by: { entries[$0].last < entries[$1].last })
        else { return }
        let entry = entries.remove(at: oldest)
        if !entry.hasEnded { changes.append(Change(kind: .end, object: object(entry, at: now))) }
    }

    private mutating func updates(at now: MediaTime) -> [Change] {
        var changes: [Change] = []
        for index in entries.indices
        where entries[index].isSounding && now - entries[index].reported >= settings.updateInterval {
            entries[index].reported = now
            changes.append(Change(kind: .update, object: object(entries[index], at: now)))
        }
        return changes
    }

    private func object(_ entry: Entry, at now: MediaTime) -> LiveObject {
        let box = entry.seen.box
        return LiveObject(
            id: entry.id, class: entry.seen.className,
            state: entry.isSounding ? .sounding : entry.hasEnded ? .lost : .silent,
            score: (Double(entry.seen.score) * 10_000).rounded() / 10_000,
            box: [box.x, box.y, box.width, box.height], area: entry.seen.area,
            ageSeconds: (now - entry.first).seconds, evidenceAgeSeconds: (now - entry.last).seconds)
    }
}

extension Box {
    /// Intersection over union.
    fileprivate func overlap(with other: Box) -> Double {
        let across = min(x + width, other.x + other.width) - max(x, other.x)
        let down = min(y + height, other.y + other.height) - max(y, other.y)
        guard across > 0, down > 0 else { return 0 }
        let shared = Double(across * down)
        return shared / (Double(width * height + other.width * other.height) - shared)
    }
}
