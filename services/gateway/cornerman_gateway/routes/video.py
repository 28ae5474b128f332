"""Pictures: MJPEG, single frames, a WebSocket with the media time of every picture for the page; and a browser's camera
coming in.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, Query, WebSocket
from starlette.responses import Response, StreamingResponse
from starlette.websockets import WebSocketDisconnect

from cornerman_gateway.app_state import AppState, StateDep
from cornerman_gateway.core import to_json
from cornerman_gateway.lookup import Id, find
from cornerman_gateway.picture_cache import CachedPicture
from cornerman_gateway.preview import AUTO, DelayedPicture
from cornerman_gateway.problems import Problem, wrong_field
from cornerman_gateway.push import MAX_FPS, PushError, read_push, store_push
from cornerman_gateway.sockets import GOING_AWAY, TRY_AGAIN, UNUSABLE, accept, close, send_until_gone
from cornerman_gateway.stills import still
from cornerman_shared.errors import RetryableError

router = APIRouter(prefix="/api/sources/{source_id}", tags=["video"])

BOUNDARY = "cornerman-frame"
LARGEST_DELAY_S = 30.0
FRAME_WAIT_S = 3.0
GONE = (
    "a moment without words is kept for ten minutes, and only while a viewer is connected; "
    "one with words for an hour, the last forty of a source"
)
HEADER_BYTES = struct.Struct("<H")

Delay = Annotated[str, Query(max_length=16, description="auto (in step with the words), or seconds; 0 = as it comes")]


def delay_of(text: str) -> float | None:
    """Seconds; None = auto.

    Raises:
        Problem: 422.
    """
    if text == AUTO:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= LARGEST_DELAY_S:
        raise wrong_field("delay", f"delay = {text!r} is neither auto nor 0 to {LARGEST_DELAY_S:g} seconds")
    return seconds


@router.get(
    "/video.mjpeg", responses={200: {"content": {"multipart/x-mixed-replace": {}}, "description": "JPEGs, without end"}}
)
async def mjpeg(source_id: Id, state: StateDep, delay: Delay = AUTO) -> StreamingResponse:
    """The picture at the source's own rate, for an `<img>`, VLC or OpenCV."""
    seconds = delay_of(delay)
    await find(state, source_id)
    return StreamingResponse(
        _parts(state, source_id, seconds), media_type=f"multipart/x-mixed-replace; boundary={BOUNDARY}"
    )


async def _parts(state: AppState, source_id: str, delay_s: float | None) -> AsyncIterator[bytes]:
    with state.previews.watch(source_id, delay_s) as viewer:
        async for shown in viewer.pictures():
            picture = shown.picture
            head = (
                f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture.jpeg)}\r\n"
                f"X-Pts: {picture.pts_s:.6f}\r\n\r\n"
            )
            yield head.encode() + picture.jpeg + b"\r\n"


@router.get(
    "/frame.jpg",
    responses={
        200: {"content": {"image/jpeg": {}}, "description": "one picture"},
        204: {"description": "it is gone, and `if_gone=204` was asked"},
    },
    response_class=Response,
)
async def frame(
    source_id: Id,
    state: StateDep,
    pts_s: Annotated[float | None, Query(ge=0, description="media time; left out = now")] = None,
    run: Annotated[str, Query(max_length=64, description="run that pts_s belongs to; left out = any")] = "",
    if_gone: Annotated[
        Literal["404", "204"], Query(description="status for a moment that is gone; browsers log 404 as an error")
    ] = "404",
) -> Response:
    """The picture now, or of a moment: any decision of the last ten minutes that had a viewer, and for an hour
    moments with words, with or without a viewer. `X-Kept` is `picture`, or `still` for a smaller one.
    """
    await find(state, source_id)
    kept = "picture"
    if pts_s is None:
        picture = await state.previews.newest(source_id, FRAME_WAIT_S)
        if picture is None:
            raise Problem(
                404,
                "there is no picture",
                f"{source_id!r} gave none within {FRAME_WAIT_S:g} s; see its state, or watch.display",
            )
    else:
        picture = state.previews.at(source_id, run, pts_s)
        if picture is None and (jpeg := await still(state.bus, source_id, run, pts_s)) is not None:
            picture, kept = CachedPicture("", run, pts_s, 0.0, jpeg), "still"
        if picture is None and if_gone == "204":
            return Response(status_code=204)
        if picture is None:
            raise Problem(404, "this picture is gone", GONE)
    headers = {"X-Run": picture.run, "X-Pts": f"{picture.pts_s:.6f}", "X-Kept": kept}
    return Response(picture.jpeg, media_type="image/jpeg", headers=headers)


@router.websocket("/video.ws")
async def video_socket(socket: WebSocket, source_id: str, state: StateDep, delay: str = AUTO, fps: float = 0.0) -> None:
    """Each message: uint16 length, that many bytes of JSON (run, pts_s, at_s, delay_s, target_s, rate), a JPEG.

    A client that is slow gets fewer pictures, never older ones. `fps` asks for at most so many a second; 0 = all.
    """

    async def check() -> None:
        delay_of(delay)
        await find(state, source_id)

    if not await accept(socket, check()):
        return

    async def send() -> None:
        with state.previews.watch(source_id, delay_of(delay)) as viewer:
            next_s = float("-inf")
            async for shown in viewer.pictures():
                at_s = shown.picture.at_s
                if fps <= 0 or not next_s - LARGEST_DELAY_S < at_s < next_s:
                    next_s = at_s + 0.9 / fps if fps > 0 else at_s
                    await socket.send_bytes(pack_shown(shown))

    await send_until_gone(socket, send())
    await close(socket, GOING_AWAY)


def pack_shown(shown: DelayedPicture) -> bytes:
    """One message of `video.ws`."""
    picture = shown.picture
    head = to_json(
        {
            "run": picture.run,
            "pts_s": round(picture.pts_s, 6),
            "at_s": round(picture.at_s, 6),
            "delay_s": round(shown.delay_s, 4),
            "target_s": round(shown.target_s, 4),
            "rate": round(shown.rate, 4),
        }
    ).encode()
    return HEADER_BYTES.pack(len(head)) + head + picture.jpeg


@router.websocket("/camera.ws")
async def camera_socket(socket: WebSocket, source_id: str, state: StateDep) -> None:
    """A browser's camera. Each message: float64 seconds (little-endian), then JPEG or WebP. Each is
    acknowledged once it is stored.
    """
    claimed: list[str] = []

    async def check() -> None:
        spec = await find(state, source_id)
        if spec.url != f"push://{source_id}":
            raise Problem(409, "this source takes no camera", "add a source whose url is push://<source_id>")
        if source_id in state.pushing:
            raise Problem(409, "another tab pushes its camera here", "close it, or choose another source_id")
        state.pushing.add(source_id)
        claimed.append(source_id)

    try:
        if await accept(socket, check()):
            await _take_camera(socket, state, source_id)
    except WebSocketDisconnect:
        return
    except PushError as error:
        await close(socket, UNUSABLE, str(error))
    except RetryableError as error:
        await close(socket, TRY_AGAIN, str(error))
    finally:
        state.pushing.difference_update(claimed)


async def _take_camera(socket: WebSocket, state: AppState, source_id: str) -> None:
    loop = asyncio.get_running_loop()
    next_s = loop.time()
    count = 0
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        body = message.get("bytes")
        if body is None:
            raise PushError("text is not a picture; send binary messages")
        now_s = loop.time()
        if now_s < next_s - 1.0:
            raise PushError(f"more than {MAX_FPS:g} pictures a second; send fewer")
        next_s = max(next_s, now_s) + 1 / MAX_FPS
        pts_s, picture = read_push(body)
        await store_push(state.bus, source_id, pts_s, picture)
        count += 1
        await socket.send_text(str(count))
