"""What those who operate the gateway ask it, on a listener of its own."""

import platform
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway import __version__
from gateway.http.headers import SecurityHeaders
from gateway.http.routes import ExactRoute

if TYPE_CHECKING:
    from gateway.telemetry.metrics import Exposition


def admin_app(metrics: "Exposition") -> Starlette:
    """``/metrics``, in the text format of Prometheus or as OpenMetrics, and ``/version``."""

    async def show_metrics(request: Request) -> Response:
        # In a thread: the requests of callers share the event loop where there are no workers.
        text, media_type = await run_in_threadpool(metrics, request.headers.get("accept", ""))
        return Response(text, headers={"content-type": media_type})

    app = Starlette(
        routes=[ExactRoute("/version", _version), ExactRoute("/metrics", show_metrics)],
        middleware=[Middleware(SecurityHeaders)],
    )
    app.router.redirect_slashes = False
    return app


async def _version(_request: Request) -> Response:
    return JSONResponse({"version": __version__, "python": platform.python_version()})
