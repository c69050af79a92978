# Two stages: the first has a C compiler and builds the wheel, with the build backend from the lock; the second has
# no build tools.
FROM python:3.11-bookworm AS build
WORKDIR /build
COPY requirements-dev.lock ./
# Of the development lock only the build backend, with its hashes.
RUN sed -n '/^setuptools==/,/[^\\]$/p' requirements-dev.lock > build.lock \
    && pip install --no-cache-dir --disable-pip-version-check --require-hashes --no-deps -r build.lock
COPY pyproject.toml setup.py README.md ./
COPY streams ./streams
COPY learners ./learners
COPY drift ./drift
RUN pip wheel --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir /wheels .

FROM python:3.11-slim-bookworm
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DO_NOT_TRACK=1
WORKDIR /app
COPY requirements.lock ./
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir --disable-pip-version-check --no-deps /wheels/*.whl && rm -r /wheels
# Volumes mounted here take over these owners.
RUN useradd --system --uid 10001 --home-dir /app --no-create-home millrace \
    && mkdir .millrace reports \
    && chown millrace:millrace .millrace reports
USER 10001
CMD ["millrace", "--help"]
