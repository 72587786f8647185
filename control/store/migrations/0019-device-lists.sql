-- Lists of devices by one of these page by id. Ids begin with the OUI, so of one maker they stand together: in the order of ids alone a page was
-- found behind all devices of the makers before it.
drop index device_model;
create index device_manufacturer on device (manufacturer, id);
create index device_class on device (product_class, id);
create index device_software on device (software_version, id);
