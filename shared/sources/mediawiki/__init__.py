"""The mediawiki source: the pages of a wiki, by its `api.php`."""
