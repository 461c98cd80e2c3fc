"""Feature statistics of ImageNet classes without ImageNet pictures.

A linear classifier on features x of classes with a shared covariance S has weights w_c = S^-1 (m_c - m): so the class
mean is m_c = m + k S w_c, and for any other feature y of the same picture E[y|c] = m_y + k Cov(y, logit_c). The
covariances are estimated from the training photos; k is set so that the class mean gets a typical winning logit.
"""

from pathlib import Path

import numpy as np

import trunk


def class_means(features: np.ndarray, rows: np.ndarray, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """(mean [WIDTH], means [1001, WIDTH] float16) from the photos `rows`, plain and strong views."""
    weight, bias, _ = trunk.classifier(folder)
    chosen = [features[rows, view].astype(np.float32) for view in (0, 5)]
    every = np.concatenate(chosen)
    mean = every.mean(0)
    every -= mean
    average = every[:, : trunk.GRID].reshape(len(every), 9, 1280).mean(1)
    logits = average @ weight.T
    spread = every.T @ logits / len(every)  # [WIDTH, 1001]
    centre = weight @ mean[: trunk.GRID].reshape(9, 1280).mean(0) + bias
    winning = np.quantile((logits + centre).max(1), 0.9)
    variance = (logits**2).mean(0)  # Cov(logit_c, logit_c): the gain of a step of size 1
    step = np.clip((winning - centre) / variance, 0, None)
    means = mean + (spread * step).T
    means[:, : trunk.GRID + trunk.MAXIMUM] = np.clip(means[:, : trunk.GRID + trunk.MAXIMUM], 0, 6)
    return mean, means.astype(np.float16)
