"""Train the embedded models: `python -m twig_assets.model_zoo.train --stage vae`, then the other stages.

Every stage goes on from its checkpoint when it is called again, and writes its fp16 weights when it is done.
`torchrun --nproc-per-node 2 -m twig_assets.model_zoo.train --stage diffusion` uses two processes; so can `reward`.
"""

import argparse
import os
from pathlib import Path

import torch
import torch.distributed as dist

from twig_assets.model_zoo.load_classifier import save_classifier
from twig_assets.model_zoo.load_sam import save_sam
from twig_assets.model_zoo.sam_model import SamShape
from twig_assets.model_zoo.training.stage_classifier import ClassifierConfig, train_classifier
from twig_assets.model_zoo.training.stage_clip import ClipConfig, train_clip
from twig_assets.model_zoo.training.stage_critic import CriticConfig, train_critic
from twig_assets.model_zoo.training.stage_diffusion import DiffusionConfig, train_diffusion
from twig_assets.model_zoo.training.stage_flow import FlowConfig, train_flow
from twig_assets.model_zoo.training.stage_judge import JudgeConfig, train_judge
from twig_assets.model_zoo.training.stage_refine import RefineConfig, train_refine
from twig_assets.model_zoo.training.stage_reward import RewardConfig, train_reward
from twig_assets.model_zoo.training.stage_sam import SamConfig, train_sam
from twig_assets.model_zoo.training.stage_vae import VaeConfig, train_vae

STAGES = ("vae", "clip", "diffusion", "refine", "critic", "reward", "judge", "flow", "classifier", "sam")


def main() -> None:
    """Parse the command line and run one stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", choices=STAGES, required=True)
    parser.add_argument("--folder", type=Path, default=Path(os.environ.get("TWIG_HOME", ".twig")) / "zoo")
    parser.add_argument("--steps", type=int, help="optimiser steps in all; each stage has its own default")
    parser.add_argument("--lr", type=float, help="peak learning rate; each stage has its own default")
    parser.add_argument("--tracking-uri", default="", help="MLflow server or database for metrics and sample grids")
    parser.add_argument(
        "--start-from",
        type=Path,
        help="trained weights for diffusion, judge, critic, refine, reward or sam to go on from",
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    settings = {"folder": args.folder, "tracking_uri": args.tracking_uri}
    if args.steps:
        settings["steps"] = args.steps
    if args.lr:
        settings["lr"] = args.lr
    if args.stage in ("diffusion", "reward") and "RANK" in os.environ:
        dist.init_process_group("gloo")
    leads = int(os.environ.get("RANK", "0")) == 0
    if args.stage == "vae":
        train_vae(VaeConfig(**settings)).half().save_pretrained(args.folder / "vae")
    elif args.stage == "clip":
        for part in train_clip(ClipConfig(**settings)):
            part.save_pretrained(args.folder / "clip")
    elif args.stage == "diffusion":
        pipeline = train_diffusion(DiffusionConfig(**settings, start_from=args.start_from))
        if leads:
            pipeline.to(torch.float16).save_pretrained(args.folder / "pipeline")
    elif args.stage == "judge":
        for part in train_judge(JudgeConfig(**settings, start_from=args.start_from)):
            part.save_pretrained(args.folder / "clip")
    elif args.stage == "refine":
        refined = train_refine(RefineConfig(**settings, start_from=args.start_from))
        refined.to(torch.float16).save_pretrained(args.folder / "pipeline")
    elif args.stage == "critic":
        train_critic(CriticConfig(**settings, start_from=args.start_from))
    elif args.stage == "reward":
        rewarded = train_reward(RewardConfig(**settings, start_from=args.start_from))
        if leads:
            rewarded.to(torch.float16).save_pretrained(args.folder / "pipeline")
    elif args.stage == "flow":
        flow = train_flow(FlowConfig(**settings))
        flow.transformer.half().save_pretrained(args.folder / "flow" / "transformer")
        flow.scheduler.save_pretrained(args.folder / "flow" / "scheduler")
    elif args.stage == "classifier":
        save_classifier(train_classifier(ClassifierConfig(**settings)), args.folder / "classifier")
    elif args.stage == "sam":
        save_sam(train_sam(SamConfig(**settings, start_from=args.start_from)), SamShape(), args.folder / "sam")


if __name__ == "__main__":
    main()
