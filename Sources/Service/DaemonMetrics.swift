// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media
import Streaming

/// The daemon's numbers as Prometheus wants them.
enum DaemonMetrics {
    private typealias Labels = [(name: String, value: String)]

    static func families(
        _ streams: [LiveStream], hub: EventHub, uptime: MediaTime, model: String
    ) -> [MetricFamily] {
        let statuses = streams.map(\.status)
        return process(uptime, model) + ProcessMetrics.families + counters(statuses) + gauges(statuses)
            + stages(streams)
            + outputs(statuses)
    }

    private static func process(_ uptime: MediaTime, _ model: String) -> [MetricFamily] {
        [
            MetricFamily(
                "tavis_build_info", .gauge, help: "Always 1; what runs here.",
                samples: [.init(1, labels: [("model", model), ("gstreamer", GStreamer.version)])]),
            MetricFamily(
                "tavis_uptime_seconds", .gauge, help: "Since the daemon started.",
                samples: [.init(uptime.seconds)]),
        ]
    }

    private static func counters(_ statuses: [StreamStatus]) -> [MetricFamily] {
        [
            family("tavis_frames_received_total", .counter, "Frames that came from the source.", statuses) {
                [([], Double($0.video.received))]
            },
            family("tavis_frames_segmented_total", .counter, "Frames that the model has seen.", statuses) {
                [([], Double($0.framesSegmented))]
            },
            family(
                "tavis_frames_dropped_total", .counter, "Frames not segmented, or not put out, by reason.",
                statuses
            ) { status in
                status.framesDropped.sorted { $0.key < $1.key }.map {
                    ([("reason", $0.key)], Double($0.value))
                }
            },
            family(
                "tavis_source_reconnects_total", .counter, "Times that a source came back after it was lost.",
                statuses
            ) { tracks($0) { Double($0.reconnects) } },
        ]
    }

    private static func gauges(_ statuses: [StreamStatus]) -> [MetricFamily] {
        [
            family("tavis_source_up", .gauge, "1 while data comes from the source.", statuses) {
                tracks($0) { $0.isUp ? 1 : 0 }
            },
            family("tavis_objects", .gauge, "Objects by state.", statuses) { status in
                [LiveObject.State.sounding, .silent, .lost].map { state in
                    ([("state", state.rawValue)], Double(status.objects.count { $0.state == state }))
                }
            },
            family("tavis_memory_bank_bytes", .gauge, "What earlier frames take.", statuses) {
                [([], Double($0.memoryBytes))]
            },
            family("tavis_economy_level", .gauge, "Steps taken to keep up; 0 is full quality.", statuses) {
                [([], Double($0.economyLevel))]
            },
            family(
                "tavis_economy_setting", .gauge,
                "What is in force: hops in seconds, side as a share, segmented frames as one in so many.",
                statuses
            ) { economy($0.economy) },
            family("tavis_mask_age_seconds", .gauge, "Age of the masks drawn last.", statuses) {
                $0.maskAgeSeconds.map { [([], $0)] } ?? []
            },
            family(
                "tavis_audio_video_skew_seconds", .gauge,
                "From the end of a frame's window of sound to the frame.", statuses
            ) { $0.skewSeconds.map { [([], $0)] } ?? [] },
            family(
                "tavis_audio_level_decibels", .gauge, "Of the newest window of sound, to full scale.",
                statuses
            ) {
                $0.audioLevel.map { [([], $0)] } ?? []
            },
        ]
    }

    private static func economy(_ economy: StreamStatus.Economy) -> [(Labels, Double)] {
        [
            ("audio_hop", economy.audioHopSeconds), ("image_hop", economy.imageHopSeconds),
            ("memory_hop", economy.memoryHopSeconds), ("side", economy.sideShare),
            ("every_frames", Double(economy.everyFrames)),
        ].map { ([("setting", $0)], $1) }
    }

    private static func stages(_ streams: [LiveStream]) -> [MetricFamily] {
        let stages: [(String, KeyPath<LiveStages, Histogram>)] = [
            ("receive", \.receive), ("hear", \.hear), ("segment", \.segment), ("overlay", \.overlay),
        ]
        func histogram(_ name: String, _ help: String, _ path: KeyPath<LiveStages, Histogram>) -> MetricFamily
        {
            MetricFamily(
                name, .histogram, help: help,
                samples: streams.flatMap { $0.stages[keyPath: path].samples([("stream", $0.settings.name)]) })
        }
        return [
            MetricFamily(
                "tavis_stage_seconds", .histogram,
                help: "Time that one frame, or one window of sound, takes in a stage.",
                samples: streams.flatMap { stream in
                    stages.flatMap { stage, path in
                        stream.stages[keyPath: path].samples([
                            ("stream", stream.settings.name), ("stage", stage),
                        ])
                    }
                }),
            histogram(
                "tavis_latency_seconds", "From a frame's time to its way out, encoding not counted.",
                \.latency),
            histogram(
                "tavis_mask_delay_seconds", "From a frame's arrival until its masks are there.", \.maskDelay),
        ]
    }

    private static func outputs(_ statuses: [StreamStatus]) -> [MetricFamily] {
        func output(
            _ name: String, _ kind: MetricFamily.Kind, _ help: String,
            _ value: @escaping (StreamStatus.Output) -> Double
        ) -> MetricFamily {
            family(name, kind, help, statuses) { status in
                status.outputs.map { ([("output", $0.name)], value($0)) }
            }
        }
        return [
            output("tavis_output_up", .gauge, "1 while the output works.") { $0.problem == nil ? 1 : 0 },
            output("tavis_output_frames_total", .counter, "Frames put out.") { Double($0.framesWritten) },
            output("tavis_output_frames_dropped_total", .counter, "Frames that the output had no time for.") {
                Double($0.framesDropped)
            },
            output("tavis_output_restarts_total", .counter, "Times that the output was opened anew.") {
                Double($0.restarts)
            },
            output("tavis_output_clients", .gauge, "Viewers.") { Double($0.clients ?? 0) },
        ]
    }

    private static func family(
        _ name: String, _ kind: MetricFamily.Kind, _ help: String, _ statuses: [StreamStatus],
        _ values: (StreamStatus) -> [(Labels, Double)]
    ) -> MetricFamily {
        MetricFamily(
            name, kind, help: help,
            samples: statuses.flatMap { status in
                values(status).map { labels, value in
                    MetricFamily.Sample(value, labels: [("stream", status.name)] + labels)
                }
            })
    }

    private static func tracks(
        _ status: StreamStatus, _ value: (StreamStatus.Track) -> Double
    ) -> [(Labels, Double)] {
        [([("track", "video")], value(status.video))]
            + (status.audio.map { [([("track", "audio")], value($0))] } ?? [])
    }
}
