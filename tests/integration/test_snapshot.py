"""Everything that the location defines, against a snapshot, so that a change of the graph shows up in review.

After a change that is meant: `python -m tests.integration.test_snapshot` writes the snapshot anew.
"""

import json
from pathlib import Path
from typing import Any

from twig_assets.definitions import build_defs

SNAPSHOT = Path(__file__).parent / "definitions.json"


def described() -> dict[str, Any]:
    """The assets, checks, jobs, sensors and schedules, in plain values."""
    defs = build_defs()
    graph = defs.resolve_asset_graph()
    repository = defs.get_repository_def()
    return {
        "assets": {
            spec.key.to_user_string(): {
                "automation": str(spec.automation_condition) if spec.automation_condition else None,
                "deps": sorted(dep.asset_key.to_user_string() for dep in spec.deps),
                "group": spec.group_name,
                "kinds": sorted(spec.kinds),
                "owners": list(spec.owners),
                "partitions": getattr(spec.partitions_def, "name", None),
            }
            for spec in sorted(defs.resolve_all_asset_specs(), key=lambda spec: spec.key)
        },
        "checks": {
            f"{key.asset_key.to_user_string()}.{key.name}": {
                "blocking": graph.get(key).blocking,
                "partitions": getattr(graph.get(key).partitions_def, "name", None),
            }
            for key in sorted(graph.asset_check_keys)
        },
        "jobs": {
            job.name: sorted(key.to_user_string() for key in job.asset_layer.executable_asset_keys)
            for job in sorted(repository.get_all_jobs(), key=lambda job: job.name)
            if not job.name.startswith("__")
        },
        "sensors": {
            sensor.name: {
                "status": sensor.default_status.value,
                "seconds": sensor.minimum_interval_seconds,
                "jobs": sorted(target.job_name for target in sensor.targets if not target.job_name.startswith("__")),
            }
            for sensor in sorted(repository.sensor_defs, key=lambda sensor: sensor.name)
        },
        "schedules": {
            schedule.name: {
                "cron": schedule.cron_schedule,
                "job": schedule.job_name,
                "status": schedule.default_status.value,
                "timezone": schedule.execution_timezone,
            }
            for schedule in sorted(repository.schedule_defs, key=lambda schedule: schedule.name)
        },
    }


def test_the_location_defines_what_the_snapshot_says() -> None:
    assert described() == json.loads(SNAPSHOT.read_text()), "if this is meant, see the head of this file"


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(described(), indent=2) + "\n")
