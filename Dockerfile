# One image for every process: api, dialer, or both; the sandbox for a try-out.
#
#   docker build -t otpvoice .
#   docker run -p 8000:8000 -v ./otpvoice.toml:/etc/otpvoice.toml:ro \
#     -e OTPVOICE_CONFIG=/etc/otpvoice.toml otpvoice
ARG BASE=docker.io/library/python:3.13-slim

FROM ${BASE} AS builder
WORKDIR /src
RUN python3 -m venv /opt/otpvoice
ENV PATH=/opt/otpvoice/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# What it stands on changes seldom: a layer of its own.
COPY requirements/run.txt requirements/build.txt requirements/
RUN python -m pip install --require-hashes -r requirements/run.txt \
 && python -m venv /opt/build && /opt/build/bin/python -m pip install --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY otpvoice otpvoice
RUN /opt/build/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
 && python -m pip install --no-deps /dist/*.whl

FROM ${BASE}
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin otpvoice
COPY --from=builder /opt/otpvoice /opt/otpvoice
ENV PATH=/opt/otpvoice/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    OTPVOICE_SERVER_BIND=0.0.0.0:8000
USER otpvoice
EXPOSE 8000
# Lives, not ready: a store that is away must not get a healthy process killed. A dialer by itself has no
# port: run it with --no-healthcheck.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
ENTRYPOINT ["otpvoice"]
CMD ["serve"]
