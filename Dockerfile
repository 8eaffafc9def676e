# The first stage builds; the second holds only Python, the gateway and what the lock file pins.
#
# A release names the base by its digest and says what it is made from:
#     docker build --build-arg PYTHON_IMAGE=python:3.13-slim@sha256:… --build-arg VERSION=… \
#         --build-arg REVISION=… --build-arg CREATED=… --build-arg SOURCE=… .
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build

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

FROM ${PYTHON_IMAGE}

# A name for the number below. Any other number does as well: nothing looks users up.
RUN groupadd --gid 10001 gateway \
    && useradd --no-log-init --uid 10001 --gid gateway --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin gateway

COPY --from=build /opt/gateway /opt/gateway
COPY deploy/healthcheck /usr/local/bin/healthcheck

# Any user may make a ledger here, and the sticky bit leaves it to its owner. A named volume is made with the
# same mode; without one, the engine keeps the ledger in a volume that goes with `docker run --rm`.
RUN mkdir -m 1777 /var/lib/card-gateway
VOLUME /var/lib/card-gateway

# In a container the loopback addresses of the defaults would be out of everybody's reach.
ENV PATH=/opt/gateway/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    GATEWAY_HOST=0.0.0.0 \
    GATEWAY_PORT=8000 \
    GATEWAY_ADMIN_HOST=0.0.0.0 \
    GATEWAY_ADMIN_PORT=9464 \
    GATEWAY_LEDGER=sqlite:/var/lib/card-gateway/ledger.db \
    CARD_GATEWAY_DEV_HOST=0.0.0.0

# Empty: the folder with .env and the signing key can be mounted here.
WORKDIR /work
# A number, so that an orchestrator can tell that it is not root without knowing the name.
USER 10001:10001
# The second one is for Prometheus, and not for callers.
EXPOSE 8000 9464
# An orderly end takes 27 s at most (GATEWAY_READINESS_DELAY, GATEWAY_CALL_DEADLINE and 2 s); give it
# 30 s to stop: docker run --stop-timeout 30.

HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["healthcheck"]

# The exec form makes the gateway the container's first process: it gets the signals itself.
# `docker run card-gateway doctor` runs another command of it.
ENTRYPOINT ["gateway"]
CMD ["serve"]

# Last, since they change with every build.
ARG VERSION=""
ARG REVISION=""
ARG CREATED=""
ARG SOURCE=""
LABEL org.opencontainers.image.title="card-gateway" \
      org.opencontainers.image.description="A GraphQL gateway in front of a card-issuing provider" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED" \
      org.opencontainers.image.source="$SOURCE"
