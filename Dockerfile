# The service (the last, default target) serves models/ on port 8000, as a user without rights, from a file system that
# may be read-only. `--target training` is `python -m training` with torchvision, for CUDA.
ARG PYTHON_VERSION=3.11

FROM python:${PYTHON_VERSION}-slim AS requirements
# What is installed follows from these lists alone, so that the layers below outlast other changes of pyproject.toml.
WORKDIR /requirements
COPY pyproject.toml constraints.txt ./
RUN python -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
      extras = project['optional-dependencies']; \
      serve, train = project['dependencies'] + extras['postgres'], extras['train']; \
      open('serve.txt', 'w').write('\n'.join(serve)); open('train.txt', 'w').write('\n'.join(serve + train))"

FROM python:${PYTHON_VERSION}-slim AS service-environment
# PyTorch's CPU builds; empty: torch from wherever pip finds it. TORCH_VERSION replaces the one in constraints.txt.
ARG TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu
ARG TORCH_VERSION=
COPY --from=requirements /requirements/serve.txt /requirements/constraints.txt /requirements/
WORKDIR /requirements
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/venv \
 && if [ -n "$TORCH_VERSION" ]; then sed -i "s/^torch==.*/torch==$TORCH_VERSION/" constraints.txt; fi \
 && install() { pip --python /opt/venv/bin/python install --no-compile --constraint constraints.txt "$@"; } \
 && if [ -n "$TORCH_INDEX_URL" ]; then install --no-deps --index-url "$TORCH_INDEX_URL" torch; fi \
 && install --requirement serve.txt
# Serving neither compiles against torch nor traces or exports models. Of torch it gets the bytecode that it imports.
RUN pip --python /opt/venv/bin/python uninstall --yes \
      filelock fsspec jinja2 markupsafe mpmath networkx setuptools sympy \
 && cd /opt/venv/lib/python3*/site-packages \
 && rm -r torch/include torch/test \
 && find torch/bin -type f ! -name torch_shm_manager -delete \
 && /opt/venv/bin/python -m compileall -q -x '/torch/' . \
 && /opt/venv/bin/python -c "import torch"

FROM python:${PYTHON_VERSION}-slim AS training-environment
# Empty: PyPI's builds, which come with CUDA.
ARG TORCH_INDEX_URL=
COPY --from=requirements /requirements/train.txt /requirements/constraints.txt /requirements/
WORKDIR /requirements
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/venv \
 && install() { pip --python /opt/venv/bin/python install --constraint constraints.txt "$@"; } \
 && if [ -n "$TORCH_INDEX_URL" ]; then install --no-deps --index-url "$TORCH_INDEX_URL" torch torchvision; fi \
 && install --requirement train.txt

FROM python:${PYTHON_VERSION}-slim AS base
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="softmax-serving" \
      org.opencontainers.image.description="Class probabilities of 28×28 images, by softmax regression, over HTTP" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN useradd --system --uid 10001 --no-create-home service
WORKDIR /srv
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1

FROM base AS training
COPY --from=training-environment /opt/venv /opt/venv
COPY app app
COPY training training
# The first two are for any user, the last for the service's: a volume mounted there takes over its rights.
RUN install --directory --mode 1777 data models && install --directory --owner service var
ENV MPLCONFIGDIR=/tmp/matplotlib
USER 10001
ENTRYPOINT ["python", "-m", "training"]
CMD ["fit"]

FROM base AS service
COPY --from=service-environment /opt/venv /opt/venv
COPY app app
RUN python -m compileall -q app
COPY models models
# For the service's user: a volume mounted here takes over its rights.
RUN install --directory --owner service var
ENV SOFTMAX_HOST=0.0.0.0
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["python", "-I", "-c", "import http.client, os, sys; \
    probe = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('SOFTMAX_PORT', 8000)), timeout=2); \
    probe.request('GET', '/readyz'); sys.exit(probe.getresponse().status != 200)"]
ENTRYPOINT ["python", "-m", "app"]
