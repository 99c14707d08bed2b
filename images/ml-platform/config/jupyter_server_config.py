"""JupyterLab in a container: reached from outside, with the token that it prints."""

c.ServerApp.ip = "0.0.0.0"  # noqa: F821 (Jupyter gives `c`)
c.ServerApp.open_browser = False  # noqa: F821
c.ServerApp.root_dir = "/tmp"  # noqa: F821
