# SPDX-License-Identifier: MIT
"""The Python part of ./xo: set up, build, pack, boot, test. Standard library only."""
