#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times the official PyTorch code of SAM 2, ImageBind and TAViS: the peer of `tavisbench --compare`.

Stages have tavisbench's names. Weights are random, as times do not depend on them. The whole frame is the predictor's
own `infer`, which test_avs.py calls for each frame: sound, six texts of 77 positions, image token, encoder with adapters,
decoder, memory entry. Reading the file and its mel spectrogram are left out, on both sides.

    peer_bench.py --peer DIR [--runs 5] [--threads N] [--only NAME,...] [--json FILE]

DIR holds checkouts named sam2 and ImageBind (facebookresearch) and TAViS (Sssssuperior). Needs torch, hydra-core,
iopath, einops, numpy, scipy, ftfy, regex, tqdm. Other packages that the sources import are not used by what is timed; empty
modules stand in for them. The released predictor does not parse (a quote is missing), asks for CUDA, and makes its adapters for Hiera-L only; this is
mended while it is read, the files stay as they are.
"""
import argparse
import contextlib
import datetime
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import platform
import statistics
import sys
import time
import types
import warnings

SIZES = (224, 512, 1024)
REMEMBERED_FRAMES, REMEMBERED_POINTERS = 7, 16
VARIANTS = {"t": "configs/sam2.1/sam2.1_hiera_t.yaml", "l": "configs/sam2.1/sam2.1_hiera_l.yaml"}
# Input widths of the trunk's blocks, and how many blocks have them: what the adapters are made for.
ADAPTERS = {
    "t": {"embed_dim": [96, 192, 384, 768], "depth": [2, 2, 7, 1]},
    "l": {"embed_dim": [144, 288, 576, 1152], "depth": [3, 6, 36, 4]},
}
PRODUCTS = [
    (6, 4096, 1024), (65, 5120, 1280), (229, 3072, 768), (257, 5120, 1280), (196, 2304, 576), (784, 256, 256),
    (1176, 2048, 256), (3136, 432, 144), (4096, 2304, 576),
]


# MARK: importing the official sources


class Absent(types.ModuleType):
    """A package that is imported but not used: any name is an empty class, or returns what it decorates."""

    __path__: list = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


class AbsentPackages(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    roots = {
        "configs.vggish_config", "detectron2", "imagebind.data", "ipdb", "lightning", "safetensors", "sklearn",
        "torchaudio", "torchvggish", "torchvision",
    }

    def find_spec(self, name, path=None, target=None):
        if any(name == root or name.startswith(root + ".") for root in self.roots):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return Absent(spec.name)

    def exec_module(self, module):
        pass


class MendedSource(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Reads one module with some text replaced."""

    def __init__(self, name, path, replacements):
        self.name, self.path, self.replacements = name, path, replacements

    def find_spec(self, name, path=None, target=None):
        if name != self.name:
            return None
        return importlib.util.spec_from_file_location(name, self.path, loader=self)

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        with open(self.path, encoding="utf-8") as file:
            text = file.read()
        for old, new in self.replacements:
            if old not in text:
                sys.exit(f"{self.path}: another revision than expected, it lacks: {old}")
            text = text.replace(old, new)
        exec(compile(text, self.path, "exec"), module.__dict__)


def stub_timm():
    """ImageBind and TAViS use two names of timm; neither matters at inference."""
    import torch.nn as nn

    class DropPath(nn.Identity):
        def __init__(self, drop_prob=0.0):
            super().__init__()

    for name in ("timm", "timm.models", "timm.models.layers", "timm.layers"):
        module = sys.modules.setdefault(name, types.ModuleType(name))
        module.DropPath, module.trunc_normal_ = DropPath, nn.init.trunc_normal_


@contextlib.contextmanager
def sources(folder):
    """Modules of this checkout can be imported meanwhile; afterwards another checkout's may have the same names."""
    before = set(sys.modules)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
        for name in set(sys.modules) - before:
            if getattr(sys.modules[name], "__file__", None) and folder in sys.modules[name].__file__:
                del sys.modules[name]


# MARK: measuring


def reset_peak():
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def peak_bytes():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


class Bench:
    def __init__(self, runs, wanted):
        self.runs, self.wanted, self.stages = runs, wanted, []

    def wants(self, *names):
        return not self.wanted or any(name in self.wanted for name in names)

    def time(self, name, body, warm_up=1):
        """One untimed run goes before."""
        import torch

        if not self.wants(name):
            return
        reset_peak()
        with torch.inference_mode():
            for _ in range(warm_up):
                body()
            seconds = []
            for _ in range(self.runs):
                start = time.perf_counter()
                body()
                seconds.append(time.perf_counter() - start)
        self.add(name, seconds)

    def add(self, name, seconds):
        stage = {"name": name, "seconds": statistics.median(seconds), "bestSeconds": min(seconds), "peakBytes": peak_bytes()}
        self.stages.append(stage)
        print(f"{name:<32}{stage['seconds'] * 1000:10.2f} ms{stage['bestSeconds'] * 1000:10.2f} best", flush=True)


# MARK: stages


def products(bench):
    import torch

    for m, n, k in PRODUCTS:
        x, weight = torch.randn(m, k), torch.randn(n, k)
        bench.time(f"linear-{m}x{n}x{k}", lambda: torch.nn.functional.linear(x, weight))


def sam2(bench, folder, variants):
    import torch

    names = [f"sam2-{v}-encoder-{s}" for v in variants for s in SIZES]
    heads = [f"sam2-memory-{part}-{s}" for part in ("attention", "encoder") for s in SIZES]
    if not bench.wants(*names, *heads):
        return
    with sources(folder):
        from sam2.build_sam import build_sam2

        for letter in variants:
            model = build_sam2(VARIANTS[letter], None, device="cpu")
            for size in SIZES:
                image = torch.randn(1, 3, size, size)
                bench.time(f"sam2-{letter}-encoder-{size}", lambda: model.image_encoder(image))
        if not bench.wants(*heads):
            return
        for size in SIZES:
            tokens = (size // 16) ** 2
            pointers = 4 * REMEMBERED_POINTERS
            keys = REMEMBERED_FRAMES * tokens + pointers
            current, places = torch.randn(tokens, 1, 256), torch.randn(tokens, 1, 256)
            memory, memory_places = torch.randn(keys, 1, 64), torch.randn(keys, 1, 64)
            bench.time(
                f"sam2-memory-attention-{size}",
                lambda: model.memory_attention(
                    curr=[current], curr_pos=[places], memory=memory, memory_pos=memory_places,
                    num_obj_ptr_tokens=pointers))
            features, mask = torch.randn(1, 256, size // 16, size // 16), torch.randn(1, 1, size, size)
            bench.time(
                f"sam2-memory-encoder-{size}",
                lambda: model.memory_encoder(features, mask, skip_mask_sigmoid=True))


def imagebind(bench, folder):
    import torch

    inputs = {
        "imagebind-image-224": ("vision", torch.randn(1, 3, 224, 224)),
        "imagebind-image-112": ("vision", torch.randn(1, 3, 112, 112)),
        "imagebind-audio": ("audio", torch.randn(1, 1, 1, 128, 204)),
        "imagebind-text-1": ("text", torch.randint(1, 49000, (1, 77))),
        "imagebind-text-6": ("text", torch.randint(1, 49000, (6, 77))),
    }
    if not bench.wants(*inputs):
        return
    with sources(folder):
        # Its own __init__ imports what reads files.
        package = types.ModuleType("imagebind")
        package.__path__, package.__file__ = [folder + "/imagebind"], folder + "/imagebind/__init__.py"
        sys.modules["imagebind"] = package
        module = importlib.import_module("imagebind.models.imagebind_model")
        model = module.imagebind_huge(pretrained=False).eval()
        for name, (kind, x) in inputs.items():
            bench.time(name, lambda: model({kind: x}))


def tavis(bench, folder, variants):
    """The predictor's `infer` on one frame and its sound, and what its parts take of that."""
    import torch

    wanted = [v for v in variants if bench.wants(*frame_stages(v))]
    if not wanted:
        return
    sys.meta_path.insert(0, MendedSource(
        "sam2_train.sam2_video_predictor", folder + "/sam2_train/sam2_video_predictor.py",
        [('label_to_idx_path = AVSSBench/label2idx.json"', "label_to_idx_path = None"),
         ("with open(label_to_idx_path, 'r') as fr:", "if True:"),
         ("label_to_pallete_idx = json.load(fr)", "label_to_pallete_idx = {str(i): i for i in range(71)}")]))
    sys.meta_path.insert(0, MendedSource(
        "sam2_train.modeling.backbones.image_encoder", folder + "/sam2_train/modeling/backbones/image_encoder.py",
        [("embed_dim=[144,288,576,1152], depth=[3, 6, 36, 4]", "**ADAPTERS")]))
    torch.Tensor.cuda = lambda self, *_, **__: self
    mel = torch.randn(1, 1, 1, 128, 204)
    image, plain = torch.randn(1, 3, 224, 224), torch.rand(1, 3, 224, 224)
    with sources(folder):
        import hydra
        from omegaconf import OmegaConf
        from imagebind.models import imagebind_model

        huge = imagebind_model.imagebind_huge(pretrained=False)
        imagebind_model.imagebind_huge = lambda pretrained: huge
        importlib.import_module("imagebind.data").load_and_transform_audio_data = lambda *_: mel
        image_encoder = importlib.import_module("sam2_train.modeling.backbones.image_encoder")
        overrides = [
            "++model._target_=sam2_train.sam2_video_predictor.SAM2VideoPredictor",
            "++model.binarize_mask_from_pts_for_mem_enc=true", "++model.fill_hole_area=8",
        ] + [
            f"++model.sam_mask_decoder_extra_args.dynamic_multimask_{name}"
            for name in ("via_stability=true", "stability_delta=0.05", "stability_thresh=0.98")
        ]
        for letter in wanted:
            image_encoder.ADAPTERS = ADAPTERS[letter]
            hydra.core.global_hydra.GlobalHydra.instance().clear()
            hydra.initialize_config_dir(folder + "/sam2_train", version_base=None)
            config = hydra.compose(config_name=f"sam2_hiera_{letter}.yaml", overrides=overrides)
            OmegaConf.resolve(config)
            model = hydra.utils.instantiate(config.model, _recursive_=True).eval()
            frame(bench, letter, model, lambda: model.infer(image, plain, ["sound"], 0))


def frame_stages(letter):
    return [f"tavis-{letter}-frame-224"] + [part(letter, name) for name in ("encoder", *PARTS)]


# By the names of tavisbench, which does not measure them again for the smaller encoder.
PARTS = {
    "audio": "tavis-audio", "image": "tavis-image-token", "prompts": "tavis-ibqd-prompts",
    "decoder": "tavis-decoder-6-slots", "memory": "tavis-memory-encoder",
}


def part(letter, name):
    if name == "encoder":
        return f"tavis-{letter}-encoder-224"
    return PARTS[name] if letter == "l" else PARTS[name].replace("tavis-", f"tavis-{letter}-")


def frame(bench, letter, model, infer):
    """Times parts from inside the very runs that time the whole."""
    spans = {name: [] for name in ("encoder", *PARTS)}
    marks = {}

    def begin(name):
        marks[name] = time.perf_counter()

    def end(name, since=None):
        spans[name].append(time.perf_counter() - marks[since or name])

    bind = model.imagebind
    handles = []
    for name, kind in (("audio", "audio"), ("image", "vision")):
        handles += [
            bind.modality_preprocessors[kind].register_forward_pre_hook(lambda *_, name=name: begin(name)),
            bind.modality_trunks[kind].register_forward_hook(lambda *_, name=name: end(name)),
        ]
    for name, module in (
        ("encoder", model.image_encoder), ("decoder", model.sam_mask_decoder), ("memory", model.memory_encoder)):
        handles += [
            module.register_forward_pre_hook(lambda *_, name=name: begin(name)),
            module.register_forward_hook(lambda *_, name=name: end(name)),
        ]
    # Prompts are all that happens between ImageBind's first call and the encoder.
    handles.append(bind.modality_heads["audio"].register_forward_hook(lambda *_: begin("prompts")))
    handles.append(model.image_encoder.register_forward_pre_hook(lambda *_: end("prompts")))
    name = frame_stages(letter)[0]
    before = len(bench.stages)
    with contextlib.suppress(UserWarning), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        only, bench.wanted = bench.wanted, set()
        bench.time(name, infer)
        bench.wanted = only
    for handle in handles:
        handle.remove()
    for key, seconds in spans.items():
        if len(seconds) != bench.runs + 1:
            sys.exit(f"{name}: part {key} ran {len(seconds)} times in {bench.runs + 1} frames")
        bench.add(part(letter, key), seconds[1:])
    bench.stages[before:] = [s for s in bench.stages[before:] if bench.wants(s["name"])]


def cpu_name():
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def parser(description, checkouts, runs):
    """The options that both peer scripts take."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--peer", required=True, help=f"folder with the checkouts {checkouts}")
    made.add_argument("--threads", type=positive, default=len(os.sched_getaffinity(0)))
    made.add_argument("--runs", type=positive, default=runs)
    made.add_argument("--only", default="", help="stages to time, with commas between them")
    made.add_argument("--json", help="file for the results")
    return made


def positive(text):
    if (number := int(text)) < 1:
        raise ValueError(text)
    return number


def begin(arguments):
    """Makes PyTorch and what stands in for absent packages ready. Returns where times are gathered."""
    import torch

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    sys.meta_path.insert(0, AbsentPackages())
    stub_timm()
    print(f"PyTorch {torch.__version__}, {arguments.threads} threads, {cpu_name()}", flush=True)
    return Bench(arguments.runs, set(filter(None, arguments.only.split(","))))


def end(arguments, bench):
    """Writes the results where they are asked for, in the form that `tavisbench --compare` reads."""
    import torch

    if not arguments.json:
        return
    report = {
        "program": f"PyTorch {torch.__version__}", "cpu": cpu_name(), "threads": arguments.threads,
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "runs": arguments.runs, "stages": bench.stages,
    }
    with open(arguments.json, "w") as file:
        json.dump(report, file, indent=1)


def main():
    options = parser(__doc__, "sam2, ImageBind and TAViS", runs=5)
    options.add_argument("--variants", default="t,l", help="image encoders: t, l")
    arguments = options.parse_args()
    variants = arguments.variants.split(",")
    if set(variants) - set(VARIANTS):
        options.error("--variants takes t and l")
    bench = begin(arguments)
    folder = os.path.abspath(arguments.peer)
    products(bench)
    sam2(bench, folder + "/sam2", variants)
    imagebind(bench, folder + "/ImageBind")
    tavis(bench, folder + "/TAViS", variants)
    end(arguments, bench)


if __name__ == "__main__":
    main()
