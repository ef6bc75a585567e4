"""Pointsman: a gateway for language models that picks the model by itself.

*A pointsman sets the railway points, so that every train reaches its line and no passenger has to.*

Glossary (the whole of it is in ``docs/design.md``):

provider      a company or API that serves models: base URL, credential source, dialect
deployment    one callable model of one provider, named ``provider/model``
reference     the deployment that the owner trusts today; without evidence, every request goes to it
route         a model name that clients may ask for (``auto``), with its candidates and its objective
feature       the owner's name for a kind of call, from a header, the request's metadata or the key
mode          how far a feature has come on a route: observe, trial, canary, auto
control       the share of decided traffic that stays on the reference, so that savings are measured
exchange      one client request with all its attempts, recorded in the journal
decision      the deployment chosen, its fallbacks, and the probability of every eligible deployment
policy        what turns a request's features into probabilities over deployments
snapshot      everything the data plane knows: configuration, prices, plans and policies, frozen and hashed
judgement     a later grade of one deployment's answer to one exchange
verdict       ready, cannot tell yet (and what more is needed), or stay

Floors, from the top; each imports only what lies below it::

    cli               commands: thin, print results
    serve             composition root: where objects meet
    gateway | control data plane | control plane
    policy | wire | upstream | store
    core              frozen values
"""

__version__ = "0.1.0"
