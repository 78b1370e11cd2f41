"""`leaven reproduce`: what is asked for wrongly is told, with what to type."""


def test_a_scale_of_published_rows_asks_for_them(leaven):
    done = leaven("reproduce", "table2", "--scale", "smol")
    assert done.code == 2 and "works on published rows, and none of them ship" in done.err
    assert "--data FOLDER" in done.err


def test_a_table_that_a_scale_has_not_is_told(leaven):
    done = leaven("reproduce", "figure2", "--scale", "smol", "--data", ".")
    assert done.code == 2 and "'figure2' to reproduce at scale smol" in done.err and "figure3, figure4" in done.err


def test_an_unknown_scale_is_told(leaven):
    done = leaven("reproduce", "table2", "--scale", "smoll")
    assert done.code == 2 and "'smoll'" in done.err and "smol" in done.err


def test_a_folder_without_copies_says_which_is_missing(leaven, tmp_path):
    done = leaven("reproduce", "demo", "--scale", "smol", "--data", tmp_path)
    assert done.code == 2 and "alpaca_52k/alpaca_data*" in done.err
    assert not (tmp_path / "runs").exists()
