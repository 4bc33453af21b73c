# One image for every process; the command selects it: api, dialer, serve (both), sandbox.
#
#   docker build -t otpvoice .
#   docker run --read-only --stop-timeout 25 -p 8000:8000 -v ./otpvoice.toml:/etc/otpvoice.toml:ro \
#     -e OTPVOICE_CONFIG=/etc/otpvoice.toml otpvoice
#
# User 10001 reads that file. A dialer that stops finishes the requests that it has sent: 20 s.
# For a deployment with nginx and Valkey, see config/compose.yaml and docs/production.md.
ARG BASE=docker.io/library/python:3.13-slim

FROM ${BASE} AS builder
WORKDIR /src
# SOURCE_DATE_EPOCH: compiled modules refer to their source by its hash, not by its time. Some builders
# change times when they copy files, and then every start would compile half of the modules again.
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 SOURCE_DATE_EPOCH=1580601600
# The runtime environment has no pip; the build environment installs into it.
RUN python3 -m venv --without-pip /opt/otpvoice && python3 -m venv /opt/build
# Dependencies rarely change, so they have layers of their own. Installing also compiles them.
COPY requirements/build.txt requirements/
RUN /opt/build/bin/pip install --require-hashes -r requirements/build.txt
COPY requirements/run.txt requirements/
RUN /opt/build/bin/pip --python /opt/otpvoice/bin/python install --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY config/otpvoice.toml config/
COPY otpvoice otpvoice
COPY sandbox sandbox
COPY clients/python clients/python
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist . ./clients/python \
 && /opt/build/bin/pip --python /opt/otpvoice/bin/python install --no-deps /dist/*.whl

FROM ${BASE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="otpvoice" \
      org.opencontainers.image.description="Proves a phone number by voice" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN groupadd --gid 10001 otpvoice \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir / --shell /usr/sbin/nologin otpvoice
COPY --from=builder /opt/otpvoice /opt/otpvoice
# TMPDIR: gunicorn's heartbeat writes to memory, so it never waits for a disk. Every container has
# /dev/shm, even with a read-only file system.
ENV PATH=/opt/otpvoice/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TMPDIR=/dev/shm \
    OTPVOICE_SERVER_BIND=0.0.0.0:8000
# By number, so that an orchestrator can verify that it is not root.
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
# Liveness, not readiness: an unavailable store must not get a healthy process killed. A dialer alone
# has no port, so run it with --no-healthcheck.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
ENTRYPOINT ["otpvoice"]
CMD ["serve"]
