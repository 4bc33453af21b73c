"""Counters and timers for Prometheus. ``docs/metrics.md`` explains every metric.

No label holds a number, id, reference, address or code, so metrics identify no person and no
request can create a new series. Labels are fixed words, or names from the settings.

Instruments are created with the application or the dialer, in a separate registry, and passed to
the parts that use them. So applications in one process count separately, and an import counts
nothing. Without a registry, instruments count but are not exposed.
"""
