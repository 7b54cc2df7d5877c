# SPDX-License-Identifier: MIT
"""./xo bench: exact counts by a TCG plugin, rates only as ratios, Linux in the same run."""
