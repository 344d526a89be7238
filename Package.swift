// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

let package = Package(
    name: "tavisd",
    products: [
        .executable(name: "tavisd", targets: ["tavisd"]),
        .executable(name: "tavisbench", targets: ["tavisbench"]),
    ],
    traits: [
        .trait(name: "MPI", description: "Training over several processes and machines; needs OpenMPI.")
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(
            url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1",
            traits: ["FullFoundation"]),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/swiftcsv/SwiftCSV", from: "0.10.0"),
    ],
    targets: [
        .systemLibrary(
            name: "CGStreamer",
            pkgConfig: """
                gstreamer-app-1.0 gstreamer-video-1.0 gstreamer-audio-1.0 gstreamer-pbutils-1.0 \
                gstreamer-rtsp-server-1.0
                """,
            providers: [
                .apt(["libgstreamer1.0-dev", "libgstreamer-plugins-base1.0-dev", "libgstrtspserver-1.0-dev"])
            ]),
        .systemLibrary(name: "CMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
        .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CSystemd", pkgConfig: "libsystemd", providers: [.apt(["libsystemd-dev"])]),
        .target(name: "CKernels", linkerSettings: [.linkedLibrary("m"), .linkedLibrary("dl")]),
        .target(name: "TensorEngine", dependencies: ["CKernels"]),
        .target(name: "CEmbeddedModel", exclude: ["model.json", "model.safetensors"]),
        .target(name: "Models", dependencies: ["CEmbeddedModel", "TensorEngine", "CZlib"]),
        .target(name: "ConfigurationFiles", dependencies: [.product(name: "Yams", package: "Yams")]),
        .target(
            name: "Media", dependencies: ["CGStreamer", "CPNG"], resources: [.embedInCode("Pipelines")]),
        .target(
            name: "Streaming",
            dependencies: [
                "Media", "Models", "TensorEngine", .product(name: "Logging", package: "swift-log"),
            ]),
        .target(
            name: "Training",
            dependencies: [
                "ConfigurationFiles", "Media", "Models", "TensorEngine",
                .target(name: "CMPI", condition: .when(traits: ["MPI"])),
                .product(name: "SwiftCSV", package: "SwiftCSV"),
            ]),
        .target(
            name: "Service",
            dependencies: [
                "ConfigurationFiles", "CSystemd", "Streaming",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            resources: [.embedInCode("Page")]),
        .executableTarget(
            name: "tavisd",
            dependencies: [
                "CKernels", "Service", "Streaming", "Training",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ]),
        .executableTarget(
            name: "tavisbench",
            dependencies: [
                "CKernels", "Media", "Models", "Streaming", "Training",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .target(name: "TestSupport", dependencies: ["TensorEngine"], path: "Tests/TestSupport"),
        .testTarget(name: "CKernelsTests", dependencies: ["CKernels"]),
        .testTarget(name: "TensorEngineTests", dependencies: ["TensorEngine", "TestSupport"]),
        .testTarget(name: "ModelsTests", dependencies: ["Models", "TestSupport", "CPNG"]),
        .testTarget(name: "ConfigurationFilesTests", dependencies: ["ConfigurationFiles"]),
        .testTarget(name: "MediaTests", dependencies: ["CGStreamer", "Media", "TestSupport"]),
        .testTarget(name: "StreamingTests", dependencies: ["Streaming", "Training", "TestSupport"]),
        .testTarget(
            name: "ServiceTests",
            dependencies: [
                "Service", "TestSupport", .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]),
        .testTarget(name: "TrainingTests", dependencies: ["Training", "TestSupport"]),
        .testTarget(name: "tavisdTests", dependencies: ["tavisd", "TestSupport"]),
    ]
)

for target in package.targets {
    switch target.type {
    case .system, .plugin, .binary, .macro: continue
    default: break
    }
    target.swiftSettings = [
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("ExistentialAny"),
        .treatAllWarnings(as: .error),
    ]
    target.cSettings = [.treatAllWarnings(as: .error)]
}
