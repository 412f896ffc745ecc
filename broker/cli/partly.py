"""A configuration of which not every variable is set, for a command that does not need them all.

Owns what stands in for them. Where the rest cannot be read with that, the operator is told what is not set,
as by every other command.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence

from broker.cli.operator import OperatorError, load_config, no_workspace
from broker.config import Config, ConfigError, Problem
from broker.config.environment import unset
from broker.config.outline import Named, outline
from broker.config.problems import spell

STAND_IN = "not-set-yet-" + "x" * 32
"""As long as a secret must be."""


def stood_in(problems: Sequence[Problem]) -> Mapping[str, str]:
    """The environment, in which the variables that these are about have some value."""
    names = [name for problem in problems if (name := unset(problem.message)) is not None]
    return {**dict.fromkeys(names, STAND_IN), **os.environ}


def load_for(options: argparse.Namespace, connector_id: str) -> Config:
    """The configuration for a command that only calls one upstream.

    Raises:
        OperatorError: it is not named, or cannot be used.
    """
    try:
        return load_config(options)
    except OperatorError as error:
        whole = error.__cause__
        if not isinstance(whole, ConfigError):
            raise
        inside = ("workspaces", options.workspace) if options.workspace else ()
        wanted = ("issuer", "outbound", spell((*inside, "connectors", connector_id)))
        others = [problem for problem in whole.problems if not _is_below(problem.path, wanted)]
        try:
            return load_config(options, stood_in(others))
        except OperatorError as again:
            rest = again.__cause__.problems if isinstance(again.__cause__, ConfigError) else ()
            # What is wrong because of what stands in would only mislead.
            raise again if all(_is_below(one.path, wanted) for one in rest) else error from None


def read_outline(options: argparse.Namespace) -> tuple[str, list[Named]]:
    """The issuer and its upstreams, as the files name them.

    Raises:
        OperatorError: they are not named, or cannot be read.
    """
    if options.config is None:
        options.parser.error("--config FILE is needed, or BROKER_CONFIG in the environment")
    try:
        return outline(options.config, os.environ, options.workspace)
    except ConfigError as error:
        raise OperatorError(*map(str, error.problems), ours=False) from error
    except KeyError as error:
        raise no_workspace(options.workspace) from error


def _is_below(path: str, wanted: Sequence[str]) -> bool:
    return any(path == one or path.startswith((f"{one}.", f"{one}[")) for one in wanted)
