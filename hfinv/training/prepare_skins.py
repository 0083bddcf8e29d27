"""Make skins.npz, the statistical skin of `hfinv.training.skin`, from per-vertex skins of portraits.

    python -m hfinv.training.prepare_skins SKINS.npz PORTRAITS.csv

`SKINS.npz` holds `skins` [N, V, 3] uint8, linear albedo (not sRGB) on the twice refined head, and
`names` [N]; `PORTRAITS.csv` has the columns file, gender, age, country. Portraits named in data/held_out.txt are never used.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from scipy.spatial import cKDTree

from hfinv.training.prepare import DATA
from hfinv.training.skin import DETAIL_STEP
from hfinv.training.surface import Subdivision, subdivision

COMPONENTS = 30
SMOOTHING = 60
"""Steps of neighbour averaging that leave only what light does to a face."""
BLUR = 4
"""Steps of neighbour averaging that leave all but brows, wrinkles and pores."""
KEPT_LIGHT, KEPT_TINT = 0.30, 0.15
"""How much of what is one portrait's own in lightness and tint of wide areas is skin; the rest was its light."""
SPOILT = (
    "female_3 female_8 female_9 female_26 female_34 female_37 female_45 female_54 female_64 female_83 female_92 male_7 male_8 "
    "male_9 male_16 male_19 male_26 male_34 male_53 male_54 male_59 male_78 male_82 male_87 male_88 "
    "female_5 female_14 female_15 female_19 female_22 female_27 female_51 female_56 female_58 female_59 female_65 "
    "female_66 female_73 female_76 female_77 female_87 female_89 female_96 male_0 male_1 male_6 male_13 male_14 "
    "male_15 male_21 male_24 male_28 male_30 male_44 male_45 male_51 male_57 male_65 male_80 male_81 male_85 male_92 male_93"
).split()
"""Skins that print hair, glasses or hard shadow, judged by eye."""
AFRICAN = (
    "Eswatini Botswana Dominica Malawi South_Sudan Zimbabwe Mayotte Trinidad_and_Tobago Rwanda Comoros Djibouti "
    "Saint_Helena Cote_d'Ivoire Eritrea Curacao Equatorial_Guinea Benin Somalia Jamaica Angola Seychelles Sint_Maarten "
    "Haiti Turks_and_Caicos_Islands Gambia Bermuda Bahamas Senegal Democratic_Republic_of_the_Congo Tanzania Ghana "
    "Mozambique Guadeloupe Martinique Central_African_Republic Cameroon French_Guiana Togo Guyana Saint_Martin"
).split()
ASIAN = (
    "Mongolia Japan Brunei_Darussalam Nauru Fiji Marshall_Islands Palau Kiribati Guam Cambodia Hong_Kong China "
    "Lao_People's_Democratic_Republic Kyrgyz_Republic Indonesia Taiwan Timor-Leste Uzbekistan Wallis_and_Futuna "
    "Cook_Islands Turkmenistan"
).split()


def main(skins_path: Path, table_path: Path) -> None:
    """Write skins.npz into the package's data folder."""
    with np.load(skins_path) as stored:
        names = [name.removesuffix(".jpg") for name in stored["names"]]
        raw = stored["skins"]
    held_out = (DATA / "held_out.txt").read_text().split()
    used = [k for k, name in enumerate(names) if name not in held_out and name not in SPOILT]
    kept = used + [names.index(name) for name in held_out]
    with np.load(DATA / "hm08.npz") as head:
        count = int(head["range_body"][1])
        faces, rest = head["faces_body"].astype(np.int64), head["vertices"][:count]
    plan = subdivision(faces, count, 2)
    fine = plan.refine(rest.astype(np.float64))
    average = neighbour_average(faces, count)
    logs = evened(raw[kept], plan, average, mirror_map(fine), fine, len(used))
    broad = np.stack([plan.refine(blurred(log[:count], average, BLUR)) for log in logs])
    front = np.flatnonzero(face_weight(fine) > 0)
    details = (logs - broad)[:, front]
    mean_detail = details[: len(used)].mean(0)
    single = (details - mean_detail).mean(2) * face_weight(fine)[front]
    labels = portrait_labels(table_path, [names[k] for k in kept])
    arrays = model(np.exp(broad), labels, plan, len(used))
    arrays["front"] = front.astype(np.int32)
    arrays["mean_detail"] = np.round(mean_detail / DETAIL_STEP).clip(-127, 127).astype(np.int8)
    arrays["details"] = np.round(single / DETAIL_STEP).clip(-127, 127).astype(np.int8)
    arrays["names"] = np.array([names[k] for k in kept])
    np.savez_compressed(DATA / "skins.npz", **arrays)


def mirror_map(rest: np.ndarray) -> np.ndarray:
    """[V]: the vertex on the other side of the face."""
    return cKDTree(rest).query(rest * [-1, 1, 1])[1]


def neighbour_average(faces: np.ndarray, count: int) -> sp.csr_matrix:
    """[count, count]: the mean over the vertices that share an edge."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    joined = sp.coo_matrix((np.ones(len(edges)), edges.T), (count, count)).tocsr()
    joined = ((joined + joined.T) > 0).astype(float)
    return sp.diags(1 / np.maximum(np.asarray(joined.sum(1)).ravel(), 1)) @ joined


def blurred(values: np.ndarray, average: sp.csr_matrix, steps: int) -> np.ndarray:
    """[count, C] after `steps` averages over neighbours."""
    for _ in range(steps):
        values = average @ values
    return values


def face_weight(rest: np.ndarray) -> np.ndarray:
    """[V] in [0, 1]: 1 on the face, where portraits show the skin, 0 behind and below."""
    x, y, z = np.abs(rest[:, 0]), rest[:, 1], rest[:, 2]
    inside = np.clip((z - 0.55) / 0.25, 0, 1) * np.clip((8.0 - y) / 0.25, 0, 1)
    return inside * np.clip((y - 6.05) / 0.15, 0, 1) * np.clip((0.78 - x) / 0.1, 0, 1)


def evened(
    skins: np.ndarray,
    plan: Subdivision,
    average: sp.csr_matrix,
    mirror: np.ndarray,
    rest: np.ndarray,
    known: int,
) -> np.ndarray:
    """[N, V, 3] uint8, linear albedo -> [N, V, 3] float32, log sRGB, with the portraits' own light taken out.

    Wide light and dark areas are replaced by those of the first `known` portraits' mean, all but a small part.
    """
    count = average.shape[0]
    face = (
        (rest[:, 2] > 1.0) & (rest[:, 1] > 6.5) & (rest[:, 1] < 7.9) & (np.abs(rest[:, 0]) < 0.55)
    )
    brow = np.clip((rest[:, 1:2] - 7.5) / 0.15, 0, 1)  # above it portraits print fringes
    logs, wide, tones = [], [], []
    for skin in skins:
        log = np.log(np.clip(skin / 255.0, 0.004, 1)) / 2.2
        low = plan.refine(blurred(log[:count], average, SMOOTHING))
        tone = np.median(low[face], axis=0)
        low = low - tone
        tones.append(tone)
        sharp = log - tone - low
        fringe = plan.refine(blurred(sharp[:count], average, BLUR))
        logs.append((sharp - 0.75 * brow * fringe).astype(np.float32))
        wide.append((0.5 * (low + low[mirror])).astype(np.float32))
    mean = np.mean(wide[:known], axis=0)
    for k, low in enumerate(wide):
        own = low - mean
        light = own.mean(1, keepdims=True)
        pattern = mean + KEPT_LIGHT * light + KEPT_TINT * (own - light)
        sharp = np.where(
            logs[k] > 0, 0.16 * np.tanh(logs[k] / 0.16), logs[k]
        )  # glints are light, not skin
        tint = sharp - sharp.mean(1, keepdims=True)
        logs[k] = tones[k] + pattern + sharp.mean(1, keepdims=True) + 0.7 * tint
    return np.stack(logs)


def portrait_labels(path: Path, names: list[str]) -> np.ndarray:
    """[N, 5]: 1, male, age in [0, 1], African, Asian."""
    with path.open() as file:
        rows = {row["file"].removesuffix(".jpg"): row for row in csv.DictReader(file)}
    labels = []
    for name in names:
        row = rows[name]
        country = row["country"].replace(" ", "_")
        age = np.clip((float(row["age"]) - 20) / 70, 0, 1)
        labels.append([1, row["gender"] == "male", age, country in AFRICAN, country in ASIAN])
    return np.array(labels, dtype=np.float32)


def model(
    skins: np.ndarray, labels: np.ndarray, plan: Subdivision, known: int
) -> dict[str, np.ndarray]:
    """A linear model of the first `known` skins, the others' distance from its mean, and all skins' places in it.

    Base + effects of the labels + components of what is left, unit variance each.
    """
    flat = skins.reshape(len(skins), -1)
    ridge = 2.0 * np.diag([0, 1, 1, 1, 1])
    seen, told = flat[:known], labels[:known]
    effects = np.linalg.solve(told.T @ told + ridge, told.T @ seen)  # [5, V * 3]
    rest = seen - told @ effects
    values, vectors = np.linalg.eigh(rest @ rest.T)
    vectors = vectors[:, ::-1][:, :COMPONENTS]
    components = vectors.T @ rest / np.sqrt(len(rest))
    away = flat - labels @ effects
    places = away @ components.T / np.einsum("kv,kv->k", components, components)
    fields = np.concatenate([effects, components, flat[known:]]).reshape(-1, *skins.shape[1:])
    scales = np.abs(fields).max(axis=(1, 2)) / 127
    codes = np.round(fields / scales[:, None, None]).astype(np.int16)
    return {
        "codes": predicted(codes, plan),
        "scales": scales.astype(np.float32),
        "labels": labels,
        "places": places.astype(np.float32),
    }


def predicted(codes: np.ndarray, plan: Subdivision) -> np.ndarray:
    """[C, V, 3] whole numbers -> int8, each refined vertex less what its edge predicts; `skin` undoes it."""
    codes = codes.transpose(1, 0, 2)
    first = len(codes) - sum(len(edges) for edges in plan.edges)
    parts, done = [codes[:first]], first
    for edges in plan.edges:
        guess = (codes[edges[:, 0]] + codes[edges[:, 1]]) >> 1
        parts.append(codes[done : done + len(edges)] - guess)
        done += len(edges)
    return np.concatenate(parts).transpose(1, 2, 0).astype(np.int8)  # wraps; so does the decoder


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
