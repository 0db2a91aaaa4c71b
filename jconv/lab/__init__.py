"""The laboratory: experiments from YAML that compare the formulations, and end in a report."""
