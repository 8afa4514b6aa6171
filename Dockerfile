# kling-pipe in a container: docker build -t kling-pipe . && docker run --rm -v "$PWD:/campaign" -e KLING_API_KEY kling-pipe plan
# EXTRAS="" leaves out the emulator, and with it PyAV's FFmpeg with libx264 (GPL).
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY kling_pipe kling_pipe
COPY schemas schemas
ARG EXTRAS=emulator,fast
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir -c constraints.txt ".[${EXTRAS}]"

FROM python:${PYTHON}-slim
RUN apt-get update && apt-get install -y --no-install-recommends fonts-dejavu-core fonts-noto-cjk && rm -rf /var/lib/apt/lists/*
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
# Run with `--user "$(id -u):$(id -g)"` to own what is made.
RUN useradd --create-home --uid 1000 kling
USER kling
WORKDIR /campaign
ENTRYPOINT ["kling-pipe"]
CMD ["--help"]
