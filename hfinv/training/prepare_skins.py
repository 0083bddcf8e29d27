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
from hfinv.training.surface import Subdivision, subdivision

COMPONENTS = 30
SMOOTHING = 60
"""Steps of neighbour averaging that leave only what side light does to a face."""
SPOILT = (
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
    stored = np.load(skins_path)
    names = [name.removesuffix(".jpg") for name in stored["names"]]
    held_out = (DATA / "held_out.txt").read_text().split()
    used = [k for k, name in enumerate(names) if name not in held_out and name not in SPOILT]
    head = np.load(DATA / "hm08.npz")
    count = int(head["range_body"][1])
    plan = subdivision(head["faces_body"].astype(np.int64), count, 2)
    mirror = mirror_map(plan.refine(head["vertices"][:count].astype(np.float64)))
    average = neighbour_average(head["faces_body"].astype(np.int64), count)
    skins = np.stack([evened(stored["skins"][k], plan, average, mirror, count) for k in used])
    labels = portrait_labels(table_path, [names[k] for k in used])
    np.savez_compressed(DATA / "skins.npz", **model(skins, labels, plan))


def mirror_map(rest: np.ndarray) -> np.ndarray:
    """[V]: the vertex on the other side of the face."""
    return cKDTree(rest).query(rest * [-1, 1, 1])[1]


def neighbour_average(faces: np.ndarray, count: int) -> sp.csr_matrix:
    """[count, count]: the mean over the vertices that share an edge."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    joined = sp.coo_matrix((np.ones(len(edges)), edges.T), (count, count)).tocsr()
    joined = ((joined + joined.T) > 0).astype(float)
    return sp.diags(1 / np.maximum(np.asarray(joined.sum(1)).ravel(), 1)) @ joined


def evened(
    skin: np.ndarray, plan: Subdivision, average: sp.csr_matrix, mirror: np.ndarray, count: int
) -> np.ndarray:
    """[V, 3] uint8, linear albedo -> [V, 3] float32 sRGB, side light taken out."""
    colour = skin / 255.0
    smooth = np.log(np.maximum(colour[:count], 1e-3)).mean(1)
    for _ in range(SMOOTHING):
        smooth = average @ smooth
    smooth = plan.refine(smooth)
    colour *= np.exp(-0.5 * (smooth - smooth[mirror]))[:, None]
    return (np.clip(colour, 1e-4, 1) ** (1 / 2.2)).astype(np.float32)


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


def model(skins: np.ndarray, labels: np.ndarray, plan: Subdivision) -> dict[str, np.ndarray]:
    """A linear model: base + effects of the labels + components of what is left, unit variance each."""
    flat = skins.reshape(len(skins), -1)
    ridge = 2.0 * np.diag([0, 1, 1, 1, 1])
    effects = np.linalg.solve(labels.T @ labels + ridge, labels.T @ flat)  # [5, V * 3]
    rest = flat - labels @ effects
    values, vectors = np.linalg.eigh(rest @ rest.T)
    vectors = vectors[:, ::-1][:, :COMPONENTS]
    components = vectors.T @ rest / np.sqrt(len(rest))
    fields = np.concatenate([effects, components]).reshape(-1, *skins.shape[1:])
    scales = np.abs(fields).max(axis=(1, 2)) / 127
    codes = np.round(fields / scales[:, None, None]).astype(np.int16)
    return {"codes": predicted(codes, plan), "scales": scales.astype(np.float32)}


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
