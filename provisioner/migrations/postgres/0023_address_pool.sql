-- Whose a virtual address is: a pool's, whose tenants alone may use it, or, without one, the site's. Those of before are the
-- site's.
ALTER TABLE address ADD COLUMN pool TEXT;
