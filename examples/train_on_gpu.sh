#!/usr/bin/env bash
# Make heads and train the bundled generator on a fresh machine with one GPU and no network. Run it again to go on.
#
#     OUT=results examples/train_on_gpu.sh
#
# Heads are made by all processors in the background, also while the GPU trains; new ones join in at each checkpoint.
# Each run stops after MINUTES with a checkpoint in WORK and leaves in OUT: the exported generator (in parts of 15 MiB
# if it is larger), metrics.jsonl, curves.png and the last sheet. If WORK was lost (another machine), give START, the
# exported generator of the run before: `cat heads.safetensors.part* > heads.safetensors` joins its parts.
# Python packages that are missing may lie as wheels in .whl: pip download --no-deps -d .whl lpips embreex ...
set -euo pipefail
cd "$(dirname "$0")/.."

OUT=${OUT:?a folder for what should be kept}
WORK=${WORK:-training}                     # checkpoints (130 MB each) and heads (2 MB each)
MINUTES=${MINUTES:-8.5}                     # of training in this run, heads at the beginning included
HEADS=${HEADS:-6000}                        # at most
FIRST=${FIRST:-400}                         # heads to wait for before training begins
WORKERS=${WORKERS:-$(($(nproc) - 3))}       # processes that make heads; the others load and steer
POINTS=${POINTS:-800} PICTURES=${PICTURES:-5000} ADVERSARIAL=${ADVERSARIAL:-1500}
SEED=${SEED:-0}
DEVICE=${DEVICE:-cuda}
START=${START:-}
begun=$(date +%s)
mkdir -p "$OUT" "$WORK/heads"

if compgen -G ".whl/*.whl" >/dev/null; then
    python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade --target "$WORK/site" .whl/*.whl
    export PYTHONPATH="$WORK/site:${PYTHONPATH:-}"
fi
export PYTHONPATH="$PWD:${PYTHONPATH:-}" PYTHONUNBUFFERED=1

# 1. Heads, by processes of their own session: they outlive this script and are not begun twice.
if ! { [ -f "$WORK/makers" ] && kill -0 $(cat "$WORK/makers") 2>/dev/null; }; then
    : >"$WORK/makers"
    for part in $(seq 0 $((WORKERS - 1))); do
        OMP_NUM_THREADS=1 HEADS=$HEADS PART=$part OF=$WORKERS SEED=$SEED FOLDER=$WORK/heads \
            setsid nice -n 10 python3 - <<'PYTHON' >>"$WORK/heads.log" 2>&1 &
import os
from pathlib import Path

import torch

from hfinv.training.dataset import DatasetConfig, make_dataset

e = os.environ
torch.set_num_threads(1)
config = DatasetConfig(heads=int(e["HEADS"]), views=4, seed=int(e["SEED"]))
make_dataset(Path(e["FOLDER"]), config, (int(e["PART"]), int(e["OF"])))
PYTHON
        echo $! >>"$WORK/makers"
    done
fi
count() { find "$WORK/heads" -name 'head_*.npz' | wc -l; }
while [ "$(count)" -lt "$FIRST" ]; do
    if ! kill -0 $(cat "$WORK/makers") 2>/dev/null; then # all have ended
        tail -5 "$WORK/heads.log"
        break
    fi
    sleep 2
done
echo "$(count) heads after $(($(date +%s) - begun)) s"

# 2. Train until the time is over; a checkpoint in WORK is gone on from.
left=$(python3 -c "print(max(0.1, $MINUTES - ($(date +%s) - $begun) / 60))")
settings=(dataset.heads=1 dataset.views=4 "dataset.seed=$SEED" "loop.seed=$SEED" "loop.minutes=$left"
    "loop.point_steps=$POINTS" "loop.picture_steps=$PICTURES" "loop.adversarial_steps=$ADVERSARIAL"
    loop.batch=32 loop.picture_batch=16 loop.picture_views=2 loop.workers=8 loop.save_every=100
    loop.sheet_every=500 loop.average=0.998 ${EXTRA:-})
[ -z "$START" ] || settings+=("start=$START")
python3 -m hfinv train generator --out "$WORK" --data "$WORK/heads" --device "$DEVICE" --quiet \
    $(printf -- '--set %s ' "${settings[@]}")

# 3. What should be kept. The export is made at the end of each run, finished or not.
rm -f "$OUT"/heads.safetensors*
if [ "$(stat -c %s "$WORK/heads.safetensors")" -gt $((15 << 20)) ]; then
    split -b 15m -d -a 1 "$WORK/heads.safetensors" "$OUT/heads.safetensors.part"
else
    cp "$WORK/heads.safetensors" "$OUT/"
fi
cp "$WORK/metrics.jsonl" "$OUT/"
[ ! -f "$WORK/curves.png" ] || cp "$WORK/curves.png" "$OUT/"
last=$(find "$WORK/sheets" -name 'sheet_*.png' 2>/dev/null | sort | tail -1)
[ -z "$last" ] || cp "$last" "$OUT/sheet.png"
tail -1 "$WORK/metrics.jsonl"
echo "$(count) heads, $(($(date +%s) - begun)) s in all"
