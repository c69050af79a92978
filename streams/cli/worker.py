"""`millrace worker`: predicts, joins labels, learns."""

from __future__ import annotations

import asyncio

import typer

from streams.cli.option_lists import spread
from streams.cli.options import Process

app = typer.Typer(no_args_is_help=False)


@app.command(epilog="Examples:  millrace worker   |   millrace worker -c fraud.toml --log-json")
@spread
def worker(process: Process) -> None:
    """Predict events, join labels to them, learn. Run several to share the partitions.

    Stops at a consistent point on SIGTERM or Ctrl-C. Killed, it goes on where its last checkpoint was: no label is
    lost or learnt twice.
    """
    import structlog

    from learners.kernel import kernel_state
    from streams.cli.long_running import run_to_the_end, serving_figures
    from streams.kafka.process import Ground, prepare
    from streams.stages.candidates import build_candidates

    loaded = process.begin()
    candidates = build_candidates(loaded)  # a wrong model is an error of the config, told before anything starts
    structlog.get_logger().info("models_built", kernel=kernel_state(), with_kernel=list(candidates.with_kernel))
    ground = prepare(loaded)

    async def main(stop: asyncio.Event, ground: Ground = ground) -> None:
        from streams.kafka.worker import Worker

        worker = Worker(ground.config, ground.connection, ground.identity, ground.store)
        with serving_figures(worker, process.metrics_port):
            await worker.run(stop)

    run_to_the_end(main)
