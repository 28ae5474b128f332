"""Draws a room: floor, walls, furniture and light. Knows no person."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cornerman_training.gym.jit import jit

Array = NDArray[np.float64]
Image = NDArray[np.float32]
MAX_BOXES = 12
BOX = 14
OFF_FLOOR = 1e6


@jit
def _hash(x: int, y: int, seed: int) -> float:
    n = (x * 374761393 + y * 668265263 + seed * 974634777) & 0xFFFFFFFF
    n = ((n ^ (n >> 13)) * 1274126177) & 0xFFFFFFFF
    n = n ^ (n >> 16)
    return (n & 0xFFFF) / 65535.0


@jit
def _noise(u: float, v: float, seed: int) -> float:
    x, y = math.floor(u), math.floor(v)
    fx, fy = u - x, v - y
    fx, fy = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy)
    i, j = int(x), int(y)
    a = _hash(i, j, seed) * (1 - fx) + _hash(i + 1, j, seed) * fx
    b = _hash(i, j + 1, seed) * (1 - fx) + _hash(i + 1, j + 1, seed) * fx
    return a * (1 - fy) + b * fy


@jit
def _cloudy(u: float, v: float, seed: int) -> float:
    return (
        0.5 * _noise(u, v, seed) + 0.3 * _noise(u * 2.3, v * 2.3, seed + 1) + 0.2 * _noise(u * 5.1, v * 5.1, seed + 2)
    )


@jit
def _surface(kind: int, u: float, v: float, seed: int, strength: float) -> tuple[float, float]:
    """Brightness factor and mix towards the second colour at (u, v) metres on a surface."""
    grain = 1.0 + strength * 0.5 * (_cloudy(u * 7.0, v * 7.0, seed + 9) - 0.5)
    if kind == 1:  # stripes
        return grain, 1.0 if math.floor(u * 3.3) % 2 == 0 else 0.0
    if kind == 2:  # bricks
        course = math.floor(v / 0.11)
        shift = 0.17 if course % 2 == 0 else 0.0
        bu = (u + shift) / 0.34
        gap = abs(bu - math.floor(bu) - 0.5) > 0.475 or abs(v / 0.11 - course - 0.5) > 0.44
        tone = 0.86 + 0.28 * _hash(math.floor(bu), int(course), seed)
        return (grain * 0.72, 0.6) if gap else (grain * tone, 0.0)
    if kind == 3:  # planks
        plank = math.floor(v / 0.17)
        along = u / 1.3 + _hash(int(plank), 3, seed)
        tone = 0.82 + 0.36 * _hash(int(plank), math.floor(along), seed)
        streak = 1.0 + strength * 0.5 * (_noise(u * 2.5, v * 34.0, seed + 4) - 0.5)
        gap = abs(v / 0.17 - plank - 0.5) > 0.475 or abs(along - math.floor(along) - 0.5) > 0.496
        return (0.55, 0.0) if gap else (tone * streak, 0.0)
    if kind == 4:  # tiles
        a, b = math.floor(u / 0.42), math.floor(v / 0.42)
        gap = abs(u / 0.42 - a - 0.5) > 0.483 or abs(v / 0.42 - b - 0.5) > 0.483
        return (0.66, 0.0) if gap else (grain * (0.94 + 0.12 * _hash(int(a), int(b), seed)), float((a + b) % 2) * 0.5)
    if kind == 5:  # speckle, rubber floor
        return grain * (1.0 + strength * 1.1 * (_noise(u * 42.0, v * 42.0, seed) - 0.5)), (
            1.0 if _noise(u * 60.0, v * 60.0, seed + 5) > 0.86 else 0.0
        )
    if kind == 6:  # panels
        a = math.floor(u / 0.75)
        gap = abs(u / 0.75 - a - 0.5) > 0.487
        return (0.7, 0.0) if gap else (grain * (0.96 + 0.08 * _hash(int(a), 1, seed)), 0.0)
    return grain * (1.0 + strength * 0.7 * (_cloudy(u * 1.1, v * 1.1, seed) - 0.5)), _cloudy(
        u * 0.7, v * 0.7, seed + 7
    ) * 0.5


@jit
def draw_room(
    camera: Array, walls: Array, floor: Array, boxes: Array, count: int, light: Array, seed: int,
    image: Image, depth: Image, ground: Image,
) -> None:  # fmt: skip
    """Fills `image` [H,W,3], `depth` [H,W] and `ground` [H,W,2] (x, z where floor shows, else OFF_FLOOR).

    Args:
        camera: see raster.paint.
        walls: yaw rad, back wall distance, side wall x, kind, strength, colour(3), second colour(3), skirting height.
        floor: kind, strength, colour(3), second colour(3), mat half width, mat half length, mat yaw, mat colour(3).
        boxes: rows of x0,y0,z0,x1,y1,z1, colour(3), second colour(3), kind, frame, in the room's turned frame.
        count: boxes in use.
        light: see raster.paint.
        seed: of the textures.
        image: output.
        depth: output, metres.
        ground: output, metres.
    """
    height, width = depth.shape
    sin, cos = math.sin(walls[0]), math.cos(walls[0])
    ox, oy, oz = camera[0] * cos - camera[2] * sin, camera[1], camera[0] * sin + camera[2] * cos
    lx, ly, lz = light[0] * cos - light[2] * sin, light[1], light[0] * sin + light[2] * cos
    ms, mc = math.sin(floor[10]), math.cos(floor[10])
    for i in range(height):
        v = (camera[15] - i - 0.5) / camera[13]
        for j in range(width):
            u = (j + 0.5 - camera[14]) / camera[12]
            wx = camera[9] + u * camera[3] + v * camera[6]
            dy = camera[10] + u * camera[4] + v * camera[7]
            wz = camera[11] + u * camera[5] + v * camera[8]
            s = 1.0 / math.sqrt(wx * wx + dy * dy + wz * wz)
            wx, dy, wz = wx * s, dy * s, wz * s
            dx, dz = wx * cos - wz * sin, wx * sin + wz * cos
            # what: 0 nothing, 1 floor, 2 back wall, 3 side wall, 4 box
            best, what, axis = 60.0, 0, 1
            if dy < -1e-6:
                best, what, axis = -oy / dy, 1, 1
            if dz < -1e-6:
                t = (-walls[1] - oz) / dz
                if 0.0 < t < best:
                    best, what, axis = t, 2, 2
            if abs(dx) > 1e-6:
                t = (walls[2] - ox) / dx
                if 0.0 < t < best and (walls[2] - ox) * dx > 0:
                    best, what, axis = t, 3, 0
            hit = -1
            for k in range(count):
                b = boxes[k]
                # Slab test of ray and box.
                near, far, side = -1e9, 1e9, 0
                for a in range(3):
                    o = ox if a == 0 else (oy if a == 1 else oz)
                    d = dx if a == 0 else (dy if a == 1 else dz)
                    inv = 1.0 / (d if abs(d) > 1e-9 else 1e-9)
                    t0, t1 = (b[a] - o) * inv, (b[a + 3] - o) * inv
                    if t0 > t1:
                        t0, t1 = t1, t0
                    if t0 > near:
                        near, side = t0, a
                    far = min(far, t1)
                if 0.05 < near < far and near < best:
                    best, what, axis, hit = near, 4, side, k
            x, y, z = ox + best * dx, oy + best * dy, oz + best * dz
            depth[i, j] = best
            ground[i, j, 0] = OFF_FLOOR
            r = g = c = 0.5
            shade = 1.0
            if what == 1:
                px, pz = x * cos + z * sin, -x * sin + z * cos
                ground[i, j, 0], ground[i, j, 1] = px, pz
                qx, qz = px * mc - pz * ms, px * ms + pz * mc
                if abs(qx) < floor[8] and abs(qz) < floor[9]:
                    weave = 1.0 + 0.12 * (_noise(qx * 70.0, qz * 70.0, seed + 3) - 0.5)
                    rim = 0.86 if abs(qx) > floor[8] - 0.025 or abs(qz) > floor[9] - 0.025 else 1.0
                    shade = weave * rim
                    r, g, c = floor[11], floor[12], floor[13]
                else:
                    shade, mix = _surface(int(floor[0]), x, z, seed + 20, floor[1])
                    r = floor[2] * (1 - mix) + floor[5] * mix
                    g = floor[3] * (1 - mix) + floor[6] * mix
                    c = floor[4] * (1 - mix) + floor[7] * mix
                shade *= light[4] * 0.95 + light[3] * ly
                shade *= 1.0 - 0.45 * math.exp(-(z + walls[1]) / 0.35) - 0.3 * math.exp(-abs(walls[2] - x) / 0.35)
                for k in range(count):
                    b = boxes[k]
                    if b[1] < 0.1:
                        gx = max(max(b[0] - x, x - b[3]), 0.0)
                        gz = max(max(b[2] - z, z - b[5]), 0.0)
                        shade *= 1.0 - 0.5 * math.exp(-math.sqrt(gx * gx + gz * gz) / 0.13)
            elif what == 2 or what == 3:
                a = x if what == 2 else z
                tone, mix = _surface(int(walls[3]), a, y, seed, walls[4])
                if y < walls[11]:
                    r, g, c = walls[8] * 0.9, walls[9] * 0.9, walls[10] * 0.9
                    tone = 1.1 if y > walls[11] - 0.015 else 0.95
                else:
                    r = walls[5] * (1 - mix) + walls[8] * mix
                    g = walls[6] * (1 - mix) + walls[9] * mix
                    c = walls[7] * (1 - mix) + walls[10] * mix
                facing = max(lz if what == 2 else (lx if walls[2] < 0 else -lx), 0.0)
                shade = tone * (light[4] * 0.95 + light[3] * facing * 0.9)
                shade *= 1.0 - 0.35 * math.exp(-y / 0.3)
                edge = abs(walls[2] - x) if what == 2 else abs(z + walls[1])
                shade *= 1.0 - 0.28 * math.exp(-edge / 0.4)
                shade *= 1.06 - 0.05 * (y - 1.2) * (y - 1.2)
            elif what == 4:
                b = boxes[hit]
                tone = 1.0
                r, g, c = b[6], b[7], b[8]
                if axis == 2 and b[13] > 0:
                    ex, ey = min(x - b[0], b[3] - x), min(y - b[1], b[4] - y)
                    if min(ex, ey) > b[13]:
                        r, g, c = b[9], b[10], b[11]
                        if b[12] == 1:  # window: sky over something green
                            share = (y - b[1]) / (b[4] - b[1])
                            tone = 0.9 + 0.5 * share
                            if share < 0.25 + 0.12 * _noise(x * 4.0, 1.0, seed):
                                r, g, c = 0.30, 0.42, 0.25
                        elif b[12] == 2:  # poster
                            tone = 0.6 + 0.8 * _cloudy(x * 3.0, y * 3.0, seed + hit)
                        elif b[12] == 3 and math.floor((y - b[1]) / 0.24) % 2 == 0:  # shelf
                            tone = 0.55 + 0.7 * _hash(math.floor(x / 0.05), math.floor(y / 0.24), seed + hit)
                facing = lx if axis == 0 else (ly if axis == 1 else lz)
                if axis == 0 and dx > 0:
                    facing = -lx
                shade = tone * (light[4] * (1.05 if axis == 1 else 0.9) + light[3] * max(facing, 0.0) * 0.9)
                shade *= 1.0 + 0.10 * (_cloudy(x * 5.0, y * 5.0 + z * 5.0, seed + 40 + hit) - 0.5)
                if b[1] < 0.1:
                    shade *= 1.0 - 0.3 * math.exp(-y / 0.12)
            warm = light[5]
            image[i, j, 0] = min(max(r * shade * (1.0 + warm), 0.0), 1.0)
            image[i, j, 1] = min(max(g * shade, 0.0), 1.0)
            image[i, j, 2] = min(max(c * shade * (1.0 - warm), 0.0), 1.0)
