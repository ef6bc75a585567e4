"""What the project is made of, for those who have to know: the lock file as a bill of materials, and as a list of licences.

lock      the lock file of what is installed to run Pointsman
sbom      CycloneDX 1.6 (ECMA-424) from it: ``make sbom``
licences  docs/licences.md from it and from what is installed here: ``make licences``
"""
