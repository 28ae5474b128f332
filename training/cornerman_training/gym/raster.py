"""Ray-casts shapes into a picture with depth, shading, cast shadows and ground contact. Knows shapes, not people.

Pictures are float32 RGB in 0..1. The ray formula of the tapered capsule is the closed form published by Inigo Quilez
("round cone intersection", iquilezles.org); the ellipsoid is a unit ball in its own frame.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cornerman_training.gym.jit import jit

Array = NDArray[np.float64]
Image = NDArray[np.float32]
FAR = 1e9
SHADOW_CELLS = 88
SHADOW_HALF_M = 2.1


@jit
def _hit(
    row: Array, ox: float, oy: float, oz: float, dx: float, dy: float, dz: float
) -> tuple[float, float, float, float]:
    """Distance along the ray and outward normal (unnormalised), or FAR."""
    # Ellipsoid: the ray in the frame of the unit ball.
    if row[0] > 0.5:
        px, py, pz = ox - row[1], oy - row[2], oz - row[3]
        ax = row[5] * px + row[6] * py + row[7] * pz
        ay = row[8] * px + row[9] * py + row[10] * pz
        az = row[11] * px + row[12] * py + row[13] * pz
        bx = row[5] * dx + row[6] * dy + row[7] * dz
        by = row[8] * dx + row[9] * dy + row[10] * dz
        bz = row[11] * dx + row[12] * dy + row[13] * dz
        a = bx * bx + by * by + bz * bz
        b = ax * bx + ay * by + az * bz
        h = b * b - a * (ax * ax + ay * ay + az * az - 1.0)
        if h < 0.0:
            return FAR, 0.0, 0.0, 0.0
        t = (-b - math.sqrt(h)) / a
        qx, qy, qz = ax + t * bx, ay + t * by, az + t * bz
        nx = row[5] * qx + row[8] * qy + row[11] * qz
        ny = row[6] * qx + row[9] * qy + row[12] * qz
        nz = row[7] * qx + row[10] * qy + row[13] * qz
        return t, nx, ny, nz
    # Tapered capsule: first its cone, then its two end spheres.
    ra, rb = row[4], row[8]
    bax, bay, baz = row[5] - row[1], row[6] - row[2], row[7] - row[3]
    oax, oay, oaz = ox - row[1], oy - row[2], oz - row[3]
    obx, oby, obz = ox - row[5], oy - row[6], oz - row[7]
    rr = ra - rb
    m0 = bax * bax + bay * bay + baz * baz
    m1 = bax * oax + bay * oay + baz * oaz
    m2 = bax * dx + bay * dy + baz * dz
    m3 = dx * oax + dy * oay + dz * oaz
    m5 = oax * oax + oay * oay + oaz * oaz
    m6 = obx * dx + oby * dy + obz * dz
    m7 = obx * obx + oby * oby + obz * obz
    d2 = m0 - rr * rr
    if d2 > 1e-12:
        k2 = d2 - m2 * m2
        k1 = d2 * m3 - m1 * m2 + m2 * rr * ra
        k0 = d2 * m5 - m1 * m1 + m1 * rr * ra * 2.0 - m0 * ra * ra
        h = k1 * k1 - k0 * k2
        if h >= 0.0 and abs(k2) > 1e-14:
            t = (-math.sqrt(h) - k1) / k2
            y = m1 - ra * rr + t * m2
            if 0.0 < y < d2:
                return t, d2 * (oax + t * dx) - bax * y, d2 * (oay + t * dy) - bay * y, d2 * (oaz + t * dz) - baz * y
    h1 = m3 * m3 - m5 + ra * ra
    h2 = m6 * m6 - m7 + rb * rb
    best = FAR
    nx = ny = nz = 0.0
    if h1 > 0.0:
        best = -m3 - math.sqrt(h1)
        nx, ny, nz = oax + best * dx, oay + best * dy, oaz + best * dz
    if h2 > 0.0:
        t = -m6 - math.sqrt(h2)
        if t < best:
            best = t
            nx, ny, nz = obx + t * dx, oby + t * dy, obz + t * dz
    return best, nx, ny, nz


@jit
def shadow_map(shapes: Array, count: int, light: Array, out: Image) -> None:
    """Darkness of the floor [SHADOW_CELLS, SHADOW_CELLS] over x, z in +-SHADOW_HALF_M: cast shadow and contact."""
    out[:, :] = 0.0
    cell = 2.0 * SHADOW_HALF_M / SHADOW_CELLS
    # First all cast shadows, then all contacts: contact darkens what the shadow left.
    for k in range(2 * count):
        row = shapes[k % count]
        contact = k >= count
        if row[0] > 0.5:
            ax, ay, az, bx, by, bz = row[1], row[2], row[3], row[1], row[2], row[3]
            r = row[4] * 0.72
        else:
            ax, ay, az, bx, by, bz = row[1], row[2], row[3], row[5], row[6], row[7]
            r = 0.5 * (row[4] + row[8])
        if contact:
            sx, sz = 0.0, 0.0
        else:
            sx, sz = light[0] / light[1], light[2] / light[1]
        fax, faz, fbx, fbz = ax - sx * ay, az - sz * ay, bx - sx * by, bz - sz * by
        low = max(min(ay, by) - r, 0.0)
        soft = 0.03 + (0.55 * low if contact else 0.07 * (ay + by) * 0.5)
        strength = (0.62 / (1.0 + 9.0 * low)) if contact else 0.55
        if contact and low > 0.7:
            continue
        edge = r + soft
        i0 = int((min(faz, fbz) - edge + SHADOW_HALF_M) / cell)
        i1 = int((max(faz, fbz) + edge + SHADOW_HALF_M) / cell) + 1
        j0 = int((min(fax, fbx) - edge + SHADOW_HALF_M) / cell)
        j1 = int((max(fax, fbx) + edge + SHADOW_HALF_M) / cell) + 1
        vx, vz = fbx - fax, fbz - faz
        vv = vx * vx + vz * vz + 1e-9
        for i in range(max(i0, 0), min(i1 + 1, SHADOW_CELLS)):
            for j in range(max(j0, 0), min(j1 + 1, SHADOW_CELLS)):
                x = -SHADOW_HALF_M + (j + 0.5) * cell - fax
                z = -SHADOW_HALF_M + (i + 0.5) * cell - faz
                u = min(max((x * vx + z * vz) / vv, 0.0), 1.0)
                d = math.sqrt((x - u * vx) ** 2 + (z - u * vz) ** 2)
                s = min(max((edge - d) / (2.0 * soft), 0.0), 1.0)
                s = s * s * (3.0 - 2.0 * s) * strength
                out[i, j] = max(out[i, j], s) if not contact else out[i, j] + (1.0 - out[i, j]) * s * 0.35


@jit
def darken(image: Image, floor: Image, shade: Image) -> None:
    """Multiplies the floor's pixels by 1 - shadow; `floor` [H,W,2] is x, z of the floor (OFF_FLOOR elsewhere)."""
    scale = SHADOW_CELLS / (2.0 * SHADOW_HALF_M)
    for i in range(image.shape[0]):
        for j in range(image.shape[1]):
            u = (floor[i, j, 0] + SHADOW_HALF_M) * scale - 0.5
            v = (floor[i, j, 1] + SHADOW_HALF_M) * scale - 0.5
            if u < 0.0 or v < 0.0 or u >= SHADOW_CELLS - 1.0 or v >= SHADOW_CELLS - 1.0:
                continue
            a, b = int(u), int(v)
            fu, fv = u - a, v - b
            top = shade[b, a] * (1.0 - fu) + shade[b, a + 1] * fu
            bottom = shade[b + 1, a] * (1.0 - fu) + shade[b + 1, a + 1] * fu
            keep = np.float32(1.0 - (top * (1.0 - fv) + bottom * fv))
            for c in range(3):
                image[i, j, c] *= keep


@jit
def paint(
    image: Image, depth: Image, shapes: Array, count: int, camera: Array, light: Array, ids: NDArray[np.int16]
) -> None:
    """Draws shapes over `image` [H,W,3] where they are nearer than `depth` [H,W]; changes both in place.

    Args:
        image: RGB in 0..1.
        depth: metres along the ray.
        shapes: rows of figure.SHAPE numbers.
        count: rows in use.
        camera: position(3), right(3), up(3), forward(3), focal x and y in pixels, centre x and y in pixels.
        light: direction to the light (3), key strength, ambient strength, warmth, rim strength.
        ids: [H,W] scratch, overwritten.
    """
    height, width = depth.shape
    ox, oy, oz = camera[0], camera[1], camera[2]
    ids[:, :] = -1
    normals = np.empty((height, width, 3), dtype=np.float32)
    top, bottom, first, last = height, 0, width, 0
    for k in range(count):
        row = shapes[k]
        # Bounding rectangle of the shape in the picture.
        i0, i1, j0, j1 = height, 0, width, 0
        for end in range(1 if row[0] > 0.5 else 2):
            x, y, z = row[1 + 4 * end] - ox, row[2 + 4 * end] - oy, row[3 + 4 * end] - oz
            r = row[4 + 4 * end] * 1.12
            zc = x * camera[9] + y * camera[10] + z * camera[11]
            if zc < 0.2:
                continue
            u = (x * camera[3] + y * camera[4] + z * camera[5]) / zc * camera[12] + camera[14]
            v = camera[15] - (x * camera[6] + y * camera[7] + z * camera[8]) / zc * camera[13]
            ru, rv = r / zc * camera[12] + 1.0, r / zc * camera[13] + 1.0
            i0, i1 = min(i0, int(v - rv)), max(i1, int(v + rv) + 1)
            j0, j1 = min(j0, int(u - ru)), max(j1, int(u + ru) + 1)
        i0, i1, j0, j1 = max(i0, 0), min(i1, height), max(j0, 0), min(j1, width)
        if i0 >= i1 or j0 >= j1:
            continue
        top, bottom, first, last = min(top, i0), max(bottom, i1), min(first, j0), max(last, j1)
        for i in range(i0, i1):
            v = (camera[15] - i - 0.5) / camera[13]
            for j in range(j0, j1):
                u = (j + 0.5 - camera[14]) / camera[12]
                dx = camera[9] + u * camera[3] + v * camera[6]
                dy = camera[10] + u * camera[4] + v * camera[7]
                dz = camera[11] + u * camera[5] + v * camera[8]
                s = 1.0 / math.sqrt(dx * dx + dy * dy + dz * dz)
                t, nx, ny, nz = _hit(row, ox, oy, oz, dx * s, dy * s, dz * s)
                if 0.1 < t < depth[i, j]:
                    depth[i, j] = t
                    ids[i, j] = k
                    q = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz + 1e-30)
                    normals[i, j, 0] = nx * q
                    normals[i, j, 1] = ny * q
                    normals[i, j, 2] = nz * q
    # Bounding spheres, to skip most shadow rays.
    balls = np.empty((count, 4))
    for k in range(count):
        row = shapes[k]
        if row[0] > 0.5:
            balls[k, 0], balls[k, 1], balls[k, 2], balls[k, 3] = row[1], row[2], row[3], row[4]
        else:
            balls[k, 0] = 0.5 * (row[1] + row[5])
            balls[k, 1] = 0.5 * (row[2] + row[6])
            balls[k, 2] = 0.5 * (row[3] + row[7])
            span = math.sqrt((row[1] - row[5]) ** 2 + (row[2] - row[6]) ** 2 + (row[3] - row[7]) ** 2)
            balls[k, 3] = 0.5 * span + max(row[4], row[8])
    lx, ly, lz = light[0], light[1], light[2]
    for i in range(top, bottom):
        v = (camera[15] - i - 0.5) / camera[13]
        for j in range(first, last):
            k = ids[i, j]
            if k < 0:
                continue
            u = (j + 0.5 - camera[14]) / camera[12]
            dx = camera[9] + u * camera[3] + v * camera[6]
            dy = camera[10] + u * camera[4] + v * camera[7]
            dz = camera[11] + u * camera[5] + v * camera[8]
            s = 1.0 / math.sqrt(dx * dx + dy * dy + dz * dz)
            dx, dy, dz = dx * s, dy * s, dz * s
            t = depth[i, j]
            nx, ny, nz = normals[i, j, 0], normals[i, j, 1], normals[i, j, 2]
            px, py, pz = ox + t * dx, oy + t * dy, oz + t * dz
            lambert = nx * lx + ny * ly + nz * lz
            lit = min(max((lambert + 0.18) / 1.18, 0.0), 1.0)
            if lambert > 0.0:
                gx, gy, gz = px + nx * 0.012, py + ny * 0.012, pz + nz * 0.012
                for m in range(count):
                    if m == k:
                        continue
                    cx, cy, cz = balls[m, 0] - gx, balls[m, 1] - gy, balls[m, 2] - gz
                    along = cx * lx + cy * ly + cz * lz
                    if along < 0.03:
                        continue
                    if cx * cx + cy * cy + cz * cz - along * along > balls[m, 3] * balls[m, 3]:
                        continue
                    far, _, _, _ = _hit(shapes[m], gx, gy, gz, lx, ly, lz)
                    if 0.02 < far < 5.0:
                        lit *= 0.22
                        break
            sky = 0.62 + 0.38 * ny
            facing = -(nx * dx + ny * dy + nz * dz)
            rim = (1.0 - max(facing, 0.0)) ** 3
            shade = (
                light[4] * sky * (0.55 + 0.45 * min(max(facing, 0.0) * 1.6, 1.0))
                + light[3] * lit
                + light[6] * rim * sky
            )
            row = shapes[k]
            base = 14
            if row[20] > 0.5:
                w = 0.0
                if row[0] > 0.5:
                    w = row[8] * (px - row[1]) + row[9] * (py - row[2]) + row[10] * (pz - row[3])
                if row[20] > 1.5:
                    if w < -0.1:
                        base = 17
                elif math.sin(w * row[21] * 2.2) > 0.25:
                    base = 17
            half = max(lx * 0.0 + (nx * (lx - dx) + ny * (ly - dy) + nz * (lz - dz)), 0.0)
            gloss = (0.05 + row[22]) * (half * 0.5) ** 18 * lit
            warm = light[5]
            image[i, j, 0] = min(row[base] * shade * (1.0 + warm) + gloss, 1.0)
            image[i, j, 1] = min(row[base + 1] * shade + gloss, 1.0)
            image[i, j, 2] = min(row[base + 2] * shade * (1.0 - warm) + gloss, 1.0)


@jit
def finish(image: Image, factor: int, gain: float, noise: Image, row: int, column: int, out: NDArray[np.uint8]) -> None:
    """Averages `factor` x `factor` pixels, applies gain and noise (from `row`, `column` of a noise sheet), to uint8."""
    height, width, _ = out.shape
    share = 1.0 / (factor * factor)
    rows, columns = noise.shape[0], noise.shape[1]
    for i in range(height):
        for j in range(width):
            grain = noise[(i + row) % rows, (j + column) % columns]
            for c in range(3):
                total = 0.0
                for a in range(factor):
                    for b in range(factor):
                        total += image[i * factor + a, j * factor + b, c]
                value = total * share * gain + grain[c]
                out[i, j, c] = np.uint8(min(max(value, 0.0), 1.0) * 255.0 + 0.5)
