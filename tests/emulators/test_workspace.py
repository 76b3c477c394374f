from __future__ import annotations

import os
import stat

from harness.emulators.workspace import make_private_folder, own_folder


def test_only_its_user_can_read_a_runs_folder(tmp_path):
    assert stat.S_IMODE(make_private_folder(tmp_path).stat().st_mode) == 0o700


def test_folders_of_runs_that_were_killed_are_removed_by_the_next_and_others_are_not(tmp_path):
    killed, running, new = (make_private_folder(tmp_path) for _ in range(3))
    os.close(own_folder(killed))
    lock = own_folder(running)
    try:
        make_private_folder(tmp_path)
        assert not killed.exists()
        assert running.exists()
        assert new.exists()
    finally:
        os.close(lock)
