"""What choosing per request is worth on outcome tables: the parts of ``bench/routing.py``.

``statistics`` areas, bootstrap, Holm (pure) · ``rows`` tables and splits · ``text`` TF-IDF, neighbours, embedding ·
``problems`` what a way of choosing is given and gives back · ``baselines`` other ways · ``shipped`` Pointsman's own ·
``runs`` all of them by table and seed, kept in a cache · ``measured`` their results as numbers of prompts · ``figures``,
``expectations`` what they come to · ``floors`` what was asked for · ``parts`` what is measured beside these · ``kept`` what
findings are kept under · ``report``, ``pictures`` the document.
"""
