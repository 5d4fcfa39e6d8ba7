"""Robot listener: Allure result files with the suite's verdicts.

``robot --listener iec4_keywords.allure_results.AllureResults:DIRECTORY robot/paas``
"""

from __future__ import annotations

from pathlib import Path

from allure_robotframework import allure_robotframework

from blueprints import allure_writer
from iec4_keywords.running import recorder, task
from lab.secrets import redactor


class AllureResults(allure_robotframework):
    """Allure's own listener, writing through the suite's evidence logger."""

    def __init__(self, directory: str) -> None:
        super().__init__(directory)
        self.logger, _ = allure_writer.take_over(
            Path(directory),
            recorder(),
            blueprint=task().blueprint.name,
            redact=redactor.data,
        )
