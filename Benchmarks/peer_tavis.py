#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times the official TAViS code's training step: the peer of `tavisbench train`, for `tavisbench --compare`.

A step is the predictor's own `forward`, `backward_G` and AdamW, as `optimize_parameters` calls them, with the parameters
frozen that train_avs.py freezes. Weights and inputs are random, as times do not depend on them. The official step
computes the texts of all classes anew each time, though their tower is frozen; we keep them. So each stage is timed
twice: with kept texts, by tavisbench's name, and as published.

    peer_tavis.py --peer DIR [--runs 3] [--threads N] [--only NAME,...] [--json FILE]

DIR and packages are as for peer_bench.py, which lies beside this file.
"""
import importlib
import os
import sys
import time
import warnings

from peer_bench import MendedSource, begin, end, parser, reset_peak, sources

SIDE, CLASSES = 224, 71
# By tavisbench's names: frames of the one clip.
STAGES = {"train-tavis-l-224": 1, "train-tavis-l-224-t3": 3}
AS_PUBLISHED = "-texts-anew"


def mend(folder):
    """The released files do not parse (a quote is missing) and ask for CUDA; they stay as they are."""
    import torch

    predictor = "sam2_train/sam2_video_predictor.py"
    sys.meta_path.insert(0, MendedSource(
        "sam2_train.sam2_video_predictor", f"{folder}/{predictor}",
        [('label_to_idx_path = AVSSBench/label2idx.json"', "label_to_idx_path = None"),
         ("with open(label_to_idx_path, 'r') as fr:", "if True:"),
         ("label_to_pallete_idx = json.load(fr)", f"label_to_pallete_idx = {{str(i): i for i in range({CLASSES})}}")]))
    torch.Tensor.cuda = lambda self, *_, **__: self


def sample_points(maps, places, **options):
    """What detectron2 gives the matcher: bilinear values of `maps` [N, C, H, W] at `places` [N, P, 2] in 0 … 1."""
    import torch

    return torch.nn.functional.grid_sample(maps, 2 * places.unsqueeze(2) - 1, **options).squeeze(3)


def without_initial_values():
    """Random numbers for 1.5 billion weights take longer than what is timed. Comes before anything takes these names."""
    import torch

    for name in ("kaiming_uniform_", "kaiming_normal_", "xavier_uniform_", "xavier_normal_", "normal_", "uniform_", "trunc_normal_"):
        setattr(torch.nn.init, name, lambda tensor, *_, **__: tensor)


def predictor(folder):
    """TAViS-L in training mode with its optimizer, parameters frozen as in train_avs.py."""
    import hydra
    import torch
    from omegaconf import OmegaConf

    point_features = importlib.import_module("detectron2.projects.point_rend.point_features")
    point_features.point_sample = sample_points
    imagebind_model = importlib.import_module("imagebind.models.imagebind_model")
    make = imagebind_model.imagebind_huge
    imagebind_model.imagebind_huge = lambda pretrained: make(pretrained=False)
    overrides = [
        "++model._target_=sam2_train.sam2_video_predictor.SAM2VideoPredictor",
        "++model.binarize_mask_from_pts_for_mem_enc=true", "++model.fill_hole_area=8",
    ] + [
        f"++model.sam_mask_decoder_extra_args.dynamic_multimask_{name}"
        for name in ("via_stability=true", "stability_delta=0.05", "stability_thresh=0.98")
    ]
    hydra.initialize_config_dir(f"{folder}/sam2_train", version_base=None)
    config = hydra.compose(config_name="sam2_hiera_l.yaml", overrides=overrides)
    OmegaConf.resolve(config)
    model = hydra.utils.instantiate(config.model, _recursive_=True)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(1) if "norm" in name and name.endswith("weight") else parameter.uniform_(-0.02, 0.02)
    model.train()
    for name, parameter in model.named_parameters():
        if ("image_encoder" in name and "prompt_generator" not in name) or "imagebind" in name:
            parameter.requires_grad_(False)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    model.optimizer = torch.optim.AdamW(trained, lr=3e-5)
    return model


def keep_texts(model):
    """Computes the classes' texts once. Returns what undoes it."""
    import torch

    bind, compute = model.imagebind, model.imagebind.forward
    kept = {}

    def forward(inputs):
        text = inputs.get("text")
        if not (isinstance(text, torch.Tensor) and text.shape[0] == CLASSES):
            return compute(inputs)
        if not kept:
            kept.update(compute(inputs))
        return kept

    bind.forward = forward
    return lambda: setattr(bind, "forward", compute)


def give_input(model, frames):
    """One clip: noise, in which class 3 covers a part of each frame."""
    import torch

    truth = torch.zeros(1, frames, 1, SIDE, SIDE, dtype=torch.long)
    truth[..., 40:150, 60:180] = 3
    data = importlib.import_module("imagebind.data")
    data.load_and_transform_audio_data = lambda *_: torch.randn(frames, 1, 1, 128, 204)
    tokens = torch.randint(1, 49000, (CLASSES, 77))
    data.load_and_transform_text = lambda *_: tokens
    pictures = torch.rand(1, frames, 3, SIDE, SIDE)
    model.set_input((pictures - 0.45) / 0.225, pictures, ["sound"], truth, SIDE, SIDE)


def time_steps(bench, name, step):
    """One untimed step goes before; unlike `Bench.time`, gradients are recorded."""
    if not bench.wants(name):
        return
    reset_peak()
    step()
    seconds = []
    for _ in range(bench.runs):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    bench.add(name, seconds)


def main():
    arguments = parser(__doc__, "TAViS", runs=3).parse_args()
    warnings.simplefilter("ignore")
    without_initial_values()
    bench = begin(arguments)
    folder = os.path.abspath(arguments.peer) + "/TAViS"
    mend(folder)
    with sources(folder):
        model = predictor(folder)
        for stage, frames in STAGES.items():
            if not bench.wants(stage, stage + AS_PUBLISHED):
                continue
            give_input(model, frames)
            undo = keep_texts(model)
            time_steps(bench, stage, model.optimize_parameters)
            undo()
            time_steps(bench, stage + AS_PUBLISHED, model.optimize_parameters)
    end(arguments, bench)


if __name__ == "__main__":
    main()
