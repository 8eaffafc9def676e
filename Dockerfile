# The first stage builds; the second holds only Python, the gateway and what the lock file pins.
FROM python:3.13-slim AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore

WORKDIR /src

# Before the code, so that a change of the code installs nothing anew.
COPY requirements.lock requirements-build.lock ./
RUN python3 -m venv /opt/build \
    && /opt/build/bin/pip install --quiet --require-hashes -r requirements-build.lock \
    && python3 -m venv /opt/gateway \
    && /opt/gateway/bin/pip install --quiet --require-hashes -r requirements.lock

COPY pyproject.toml README.md LICENSE ./
COPY gateway gateway
# Compiled here, since the file system may be read-only when it runs; pip has no business there.
RUN /opt/build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /dist . \
    && /opt/gateway/bin/pip install --quiet --no-deps --no-index /dist/*.whl \
    && /opt/gateway/bin/pip uninstall --quiet --yes pip \
    && /opt/gateway/bin/python -m compileall -q -f --invalidation-mode unchecked-hash -j 0 /opt/gateway/lib

FROM python:3.13-slim

LABEL org.opencontainers.image.title="card-gateway" \
      org.opencontainers.image.description="A GraphQL gateway in front of a card-issuing provider" \
      org.opencontainers.image.licenses="MIT"

# A number, so that an orchestrator can tell that it is not root without knowing the name.
RUN groupadd --system --gid 10001 gateway \
    && useradd --system --no-log-init --uid 10001 --gid gateway --home-dir /nonexistent --shell /usr/sbin/nologin gateway

COPY --from=build /opt/gateway /opt/gateway

# In a container the loopback address of the default would be out of everybody's reach.
ENV PATH=/opt/gateway/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    GATEWAY_HOST=0.0.0.0 \
    GATEWAY_PORT=8000

WORKDIR /opt/gateway
USER 10001:10001
EXPOSE 8000

HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['GATEWAY_PORT']), timeout=2); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]

# The exec form makes the gateway the container's first process: it gets the signals itself.
# `docker run card-gateway doctor` runs another command of it.
ENTRYPOINT ["gateway"]
CMD ["serve"]
