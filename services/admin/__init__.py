"""The operator's command line: `hongyan-admin`."""
