mod database;
mod disk;
mod images;
mod leftovers;
mod rating;
mod retention;
mod shared;
